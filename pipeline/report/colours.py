"""Measures a model's effect on brightness and colour: histograms, and one curve per channel."""

from collections.abc import Iterable

import numpy as np

CHANNELS = ("Red", "Green", "Blue")
LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114], dtype=np.float32)
LEVELS = 256
BINS = 64
STEPS = 32
PIXELS_PER_PHOTO = 40_000
FEW_PIXELS = 50

Curve = tuple[np.ndarray, np.ndarray]


def sample(photo_hwc: np.ndarray) -> np.ndarray:
    """Take every n-th pixel, (n, 3) uint8: at the same positions in all variants of a photo."""
    pixels = photo_hwc.reshape(-1, 3)
    return pixels[:: max(1, len(pixels) // PIXELS_PER_PHOTO)]


def histograms(samples: Iterable[np.ndarray]) -> dict[str, Curve]:
    """Return luma, red, green, blue → levels and the share of pixels at each, in percent."""
    pixels = np.concatenate(list(samples))
    luma = pixels.astype(np.float32) @ LUMA_WEIGHTS
    planes = {"Luma": luma} | dict(zip(CHANNELS, pixels.T, strict=True))
    levels = (np.arange(BINS) + 0.5) * LEVELS / BINS - 0.5
    return {name: (levels, _shares(plane)) for name, plane in planes.items()}


def median_curves(before: list[np.ndarray], after: list[np.ndarray]) -> dict[str, Curve]:
    """Return per channel the levels and the median result of each level; NaN for too few pixels."""
    sources, results = np.concatenate(before), np.concatenate(after)
    levels = (np.arange(STEPS) + 0.5) * LEVELS / STEPS - 0.5
    return {
        name: (levels, _medians(sources[:, channel], results[:, channel]))
        for channel, name in enumerate(CHANNELS)
    }


def _shares(plane: np.ndarray) -> np.ndarray:
    counts, _ = np.histogram(plane, bins=BINS, range=(0, LEVELS))
    return 100 * counts / plane.size


def _medians(source: np.ndarray, result: np.ndarray) -> np.ndarray:
    steps = source.astype(np.int64) * STEPS // LEVELS
    chosen = [result[steps == step] for step in range(STEPS)]
    return np.array([np.median(values) if values.size >= FEW_PIXELS else np.nan for values in chosen])
