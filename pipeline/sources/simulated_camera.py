"""A simulated camera with known faults, whose photos can be compared with the original."""

import io

import numpy as np
from PIL import Image
from skimage.filters import gaussian

from pipeline.seeds import seed_of
from pipeline.sources.settings import SimulatedCamera


def capture(photo_hwc: np.ndarray, camera: SimulatedCamera, photo_id: str) -> bytes:
    """Re-render photo_hwc (uint8 sRGB) as a JPEG; the camera's seed and `photo_id` determine the noise."""
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
    return gaussian(light, sigma=sigma_px, mode="reflect", channel_axis=-1) if sigma_px else light


def _vignetted(light: np.ndarray, loss: float) -> np.ndarray:
    height, width, _ = light.shape
    y, x = np.linspace(-1, 1, height, dtype=np.float32), np.linspace(-1, 1, width, dtype=np.float32)
    radius2 = (y[:, None] ** 2 * height**2 + x[None, :] ** 2 * width**2) / (height**2 + width**2)
    return light * (1 - np.float32(loss) * radius2)[..., None]


def _sensed(light: np.ndarray, camera: SimulatedCamera, random: np.random.Generator) -> np.ndarray:
    """Add Poisson shot noise and Gaussian read noise, and clip at the full well."""
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
