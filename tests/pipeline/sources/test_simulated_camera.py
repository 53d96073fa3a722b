"""The simulated camera does what its settings say, each in its unit, and the same every time."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.sources.simulated_camera import SimulatedCamera, capture

NEUTRAL = {
    "blur_sigma_px": 0.0, "vignetting": 0.0, "gains_rgb": (1.0, 1.0, 1.0), "exposure_ev": 0.0,
    "full_well_e": 1e9, "read_noise_e": 0.0, "gamma": 1.0, "contrast": 1.0, "black_level": 0.0,
    "jpeg_quality": 95,
}  # fmt: skip


def shot(photo_hwc: np.ndarray, photo_id: str = "a", **settings) -> np.ndarray:
    data = capture(photo_hwc, SimulatedCamera(**{**NEUTRAL, **settings}), photo_id)
    return np.asarray(Image.open(io.BytesIO(data))).astype(float)


def grey(value: int = 128, size: int = 96) -> np.ndarray:
    return np.full((size, size, 3), value, np.uint8)


def light(encoded: float) -> float:
    return ((encoded / 255 + 0.055) / 1.055) ** 2.4


def test_a_neutral_camera_changes_nothing():
    for value in (0, 60, 128, 255):
        assert np.abs(shot(grey(value)) - value).max() <= 1


def test_exposure_is_in_stops():
    assert light(shot(grey(), exposure_ev=-1).mean()) == pytest.approx(light(128) / 2, rel=0.02)


def test_gains_are_factors_of_light_per_channel():
    means = shot(grey(), gains_rgb=(0.5, 1.0, 2.0)).mean((0, 1))
    assert [light(mean) / light(128) for mean in means] == pytest.approx([0.5, 1, 2], rel=0.05)


def test_vignetting_is_the_loss_in_the_corner():
    photo = shot(grey(), vignetting=0.4)
    assert light(photo[0, 0].mean()) == pytest.approx(0.6 * light(128), rel=0.05)
    assert photo[47:49, 47:49].mean() == pytest.approx(128, abs=1)


def test_blur_is_a_gaussian_in_px():
    """An edge blurred with σ rises from 16 to 84 % of the light within 2σ."""
    photo = grey(0)
    photo[:, 48:] = 255
    row = shot(photo, blur_sigma_px=4)[40, :, 1]
    rise = [light(value) if value > 10 else value / 255 / 12.92 for value in row]
    places = np.interp([0.16, 0.84], rise, np.arange(96))
    assert places[1] - places[0] == pytest.approx(8, abs=0.5)


def test_noise_is_counted_in_electrons():
    """Shot noise is √n, read noise its own; a flat grey at n electrons shows both, in quadrature.

    Measured on the luma: JPEG averages the colours of neighbours.
    """
    luma = np.array([0.299, 0.587, 0.114])
    photo = grey(128, 256)
    electrons = light(128) * 2000
    slope = (light(129) - light(127)) / 2
    for read_noise_e in (0.0, 20.0):
        expected = np.hypot(np.sqrt(electrons), read_noise_e) / 2000 / slope
        noisy = shot(photo, full_well_e=2000.0, read_noise_e=read_noise_e) @ luma
        assert noisy.std() == pytest.approx(expected * np.hypot.reduce(luma), rel=0.1)


def test_tone_curve():
    assert shot(grey(0), black_level=0.1).mean() == pytest.approx(25.5, abs=1)
    assert shot(grey(64), contrast=0.5).mean() == pytest.approx(127.5 - 0.5 * 63.5, abs=1)
    assert shot(grey(128), gamma=2.0).mean() == pytest.approx(128**2 / 255, abs=1)


def test_the_noise_follows_from_seed_and_photo():
    """Protects: reruns give the same bytes, and no two photos the same noise."""
    camera = SimulatedCamera()
    assert capture(grey(), camera, "a") == capture(grey(), camera, "a")
    assert capture(grey(), camera, "a") != capture(grey(), camera, "b")
    assert capture(grey(), camera, "a") != capture(grey(), SimulatedCamera(seed=1), "a")


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 40, 3), (7, 5, 3)])
def test_tiny_photos_can_be_taken(shape):
    assert capture(np.zeros(shape, np.uint8), SimulatedCamera(), "a")


@pytest.mark.parametrize(
    "wrong",
    [
        {"blur_sigma_px": -1}, {"vignetting": 2}, {"gains_rgb": (0, 1, 1)}, {"full_well_e": 0},
        {"jpeg_quality": 100}, {"contrast": 0}, {"gamma": 0}, {"black_level": 1}, {"read_noise_e": -1},
        {"exposure_ev": 99}, {"read_noise_e": float("nan")},
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SimulatedCamera(**wrong)
