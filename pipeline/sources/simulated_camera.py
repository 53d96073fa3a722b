"""A camera whose every fault is known: what it does can be measured against the untouched original."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipeline.seeds import seed_of


@dataclass(frozen=True, kw_only=True)
class SimulatedCamera:
    """An old phone, in the order in which light meets it. The defaults cost about 20 dB."""

    # Lens
    blur_sigma_px: float = 0.9  # standard deviation of the Gaussian blur
    vignetting: float = 0.3  # share of the light lost in the corners, 0–1; grows with the radius squared
    # Sensor
    gains_rgb: tuple[float, float, float] = (0.88, 1.0, 1.12)  # colour cast: how far the white balance is off
    exposure_ev: float = -0.4  # stops; −1 halves the light
    full_well_e: float = 4000.0  # electrons at white; the shot noise of n electrons is √n
    read_noise_e: float = 8.0  # electrons, standard deviation
    # Processing
    gamma: float = 1.1  # exponent on the sRGB value, 0–1; above 1 darkens the middle tones
    contrast: float = 0.9  # slope of the tone curve about middle grey
    black_level: float = 0.03  # where black ends up, 0–1: flare and veil
    jpeg_quality: int = 80  # 1–95, as in libjpeg
    seed: int = 0  # of the noise

    def __post_init__(self) -> None:
        _require(0 <= self.blur_sigma_px <= 50, "blur_sigma_px must be 0 to 50")
        _require(0 <= self.vignetting <= 1, "vignetting must be 0 to 1")
        _require(all(0 < gain <= 16 for gain in self.gains_rgb), "gains_rgb must be above 0 and at most 16")
        _require(-10 <= self.exposure_ev <= 10, "exposure_ev must be -10 to 10")
        _require(1 <= self.full_well_e <= 1e9, "full_well_e must be 1 to 1e9 electrons")
        _require(0 <= self.read_noise_e <= 1e6, "read_noise_e must be 0 to 1e6 electrons")
        _require(0.1 <= self.gamma <= 10, "gamma must be 0.1 to 10")
        _require(0 < self.contrast <= 10, "contrast must be above 0 and at most 10")
        _require(0 <= self.black_level < 1, "black_level must be at least 0 and below 1")
        _require(1 <= self.jpeg_quality <= 95, "jpeg_quality must be 1 to 95")


def capture(photo_hwc: np.ndarray, camera: SimulatedCamera, photo_id: str) -> bytes:
    """Take photo_hwc (uint8 sRGB) as a JPEG; the noise follows from the camera's seed and the photo's id."""
    random = np.random.default_rng(seed_of("simulated camera", camera.seed, photo_id))
    light = _vignetted(_blurred(_linear(photo_hwc), camera.blur_sigma_px), camera.vignetting)
    light *= 2**camera.exposure_ev * np.array(camera.gains_rgb, np.float32)
    signal = _sensed(light, camera, random)
    return _jpeg(_developed(_encoded(signal), camera), camera.jpeg_quality)


def _linear(photo_hwc: np.ndarray) -> np.ndarray:
    """sRGB uint8 → linear light, 0–1 (IEC 61966-2-1)."""
    value = np.arange(256, dtype=np.float32) / 255
    table = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return table.astype(np.float32)[photo_hwc]


def _encoded(light: np.ndarray) -> np.ndarray:
    """Linear light, 0–1 → sRGB, 0–1 (IEC 61966-2-1)."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** np.float32(1 / 2.4) - 0.055)


def _blurred(light: np.ndarray, sigma_px: float) -> np.ndarray:
    from skimage.filters import gaussian  # slow, and every stage imports this module for its settings

    return gaussian(light, sigma=sigma_px, mode="reflect", channel_axis=-1) if sigma_px else light


def _vignetted(light: np.ndarray, loss: float) -> np.ndarray:
    height, width, _ = light.shape
    y, x = np.linspace(-1, 1, height, dtype=np.float32), np.linspace(-1, 1, width, dtype=np.float32)
    radius2 = (y[:, None] ** 2 * height**2 + x[None, :] ** 2 * width**2) / (height**2 + width**2)
    return light * (1 - np.float32(loss) * radius2)[..., None]


def _sensed(light: np.ndarray, camera: SimulatedCamera, random: np.random.Generator) -> np.ndarray:
    """Count electrons: Poisson for the light, Gaussian for the read-out; a full well clips."""
    electrons = random.poisson(light * camera.full_well_e).astype(np.float32)
    electrons += camera.read_noise_e * random.standard_normal(light.shape, dtype=np.float32)
    return np.clip(electrons / np.float32(camera.full_well_e), 0, 1)


def _developed(value: np.ndarray, camera: SimulatedCamera) -> np.ndarray:
    toned = 0.5 + camera.contrast * (value**camera.gamma - 0.5)
    return np.clip(camera.black_level + (1 - camera.black_level) * toned, 0, 1)


def _jpeg(value: np.ndarray, quality: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.round(value * 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return file.getvalue()


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
