"""Scores without a truth: worked out by hand, or recovering what was put in."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data
from skimage.measure import blur_effect, shannon_entropy

from wespe.metrics.no_reference import (
    blockiness,
    clipping,
    colourfulness,
    entropy,
    noise,
    png_bpp,
    sharpness,
)
from wespe.metrics.planes import luma


def test_entropy_counts_the_bits_of_the_luma():
    halves = np.zeros((8, 8, 3), np.uint8)
    halves[:4] = 200
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=2)
    assert entropy(halves) == pytest.approx(1)
    assert entropy(ramp) == pytest.approx(8)


def test_png_bpp_is_at_the_raw_size_for_pure_noise_and_near_nothing_for_a_flat_photo():
    random = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    assert 24 <= png_bpp(random) < 24.3
    assert png_bpp(np.zeros((128, 128, 3), np.uint8)) < 0.2


def test_png_bpp_of_a_large_photo_is_near_that_of_the_whole_file():
    large = np.asarray(Image.fromarray(data.astronaut()).resize((1600, 1600), Image.Resampling.BICUBIC))
    file = BytesIO()
    Image.fromarray(large).save(file, "PNG")
    assert png_bpp(large) == pytest.approx(8 * file.tell() / 1600**2, rel=0.03)


@pytest.mark.parametrize("sigma", [2, 5, 10])
def test_noise_recovers_the_sigma_that_was_added(sigma):
    grey = np.full((256, 256, 1), 128) + np.random.default_rng(0).normal(0, sigma, (256, 256, 1))
    photo = np.repeat(grey.round().astype(np.uint8), 3, axis=2)
    assert noise(photo) == pytest.approx(sigma, rel=0.03)


def test_noise_ignores_a_smooth_ramp():
    ramp = np.broadcast_to(np.arange(0, 200, 2, dtype=np.uint8)[None, :, None], (50, 100, 3))
    assert noise(np.ascontiguousarray(ramp)) == pytest.approx(0)


def test_colourfulness_worked_out_by_hand():
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 200  # constant opponents: rg = 200, yb = 100, no spread
    grey = np.repeat(data.camera()[:64, :64, None], 3, axis=2)
    assert colourfulness(red) == pytest.approx(0.3 * np.hypot(200, 100))
    assert colourfulness(grey) == 0


def test_colourfulness_adds_spread_to_offset():
    photo = np.zeros((2, 2, 3), np.uint8)
    photo[0, :, 0] = 100  # rg is 100 or 0: mean 50, deviation 50; yb is 50 or 0: mean 25, deviation 25
    assert colourfulness(photo) == pytest.approx(1.3 * np.hypot(50, 25))


def test_sharpness_falls_with_blur_and_not_with_contrast():
    photo = data.astronaut()
    blurred = [sharpness(gaussian_filter(photo, (sigma, sigma, 0))) for sigma in (0, 1, 2, 4)]
    assert blurred == sorted(blurred, reverse=True)
    assert blurred[0] > 2 * blurred[-1]
    assert sharpness((photo * 0.5 + 60).astype(np.uint8)) == pytest.approx(blurred[0], abs=0.01)


def test_sharpness_and_entropy_are_those_of_scikit_image():
    for photo in (data.astronaut(), data.coffee(), data.rocket()):
        assert sharpness(photo) == pytest.approx(1 - blur_effect(luma(photo)), abs=1e-4)
        assert entropy(photo) == pytest.approx(shannon_entropy(luma(photo)))


def test_sharpness_of_a_photo_without_edges_is_nought():
    dot = np.full((20, 20, 3), 255, np.uint8)
    dot[0, 0] = 0  # at the rim, where blur is not looked at
    assert sharpness(np.full((20, 20, 3), 255, np.uint8)) == 0
    assert sharpness(dot) == pytest.approx(0, abs=1e-6)


def test_clipping_counts_pixels_with_any_channel_at_an_end():
    photo = np.full((2, 4, 3), 128, np.uint8)
    photo[0, 0] = 255
    photo[0, 1, 1] = 0
    photo[0, 2] = (1, 254, 128)
    assert clipping(photo) == 2 / 8


def test_blockiness_worked_out_by_hand():
    # 2 levels per px inside blocks, 6 across their borders, and the same down the other axis
    line = np.cumsum(np.where(np.arange(24) % 8 == 0, 6, 2))
    photo = np.repeat((line[:, None] + line[None, :])[..., None], 3, axis=2).astype(np.uint8)
    assert blockiness(photo) == pytest.approx(3)


def test_blockiness_knows_a_grid_that_lies_elsewhere_and_none_at_all():
    steps = np.repeat(_columns(np.arange(32) // 8 * 20), 32, axis=0)
    assert blockiness(steps) == float("inf")
    assert blockiness(steps[:, 3:]) == 0
    assert blockiness(np.full((16, 16, 3), 9, np.uint8)) == 1


def test_blockiness_rises_with_jpeg_compression_from_one():
    photo = data.astronaut()
    scores = [blockiness(photo), *(blockiness(_jpeg(photo, quality)) for quality in (60, 30, 10))]
    assert scores[0] == pytest.approx(1, abs=0.05)
    assert scores == sorted(scores)
    assert scores[-1] > 1.5


def _columns(levels: np.ndarray) -> np.ndarray:
    return np.repeat(levels[None, :, None], 3, axis=2).astype(np.uint8)


def _jpeg(photo: np.ndarray, quality: int) -> np.ndarray:
    file = BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))
