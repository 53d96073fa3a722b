"""How far apart two sets of photos are in colour: the judge where no photo has a truth."""

import numpy as np

COLOURS_PER_PHOTO = 4096
DIRECTIONS = 64
QUANTILES = 512


def sample_colours(photo_hwc: np.ndarray, seed: int = 0, count: int = COLOURS_PER_PHOTO) -> np.ndarray:
    """Draw `count` pixels of a uint8 photo, with replacement, as (count, 3) float32 in 8-bit levels.

    Every photo gives the same number, so a large photo is no louder than a small one.
    """
    pixels = photo_hwc.reshape(-1, 3)
    chosen = np.random.default_rng(seed).integers(len(pixels), size=count)
    return pixels[chosen].astype(np.float32)


def sliced_wasserstein(colours: np.ndarray, others: np.ndarray, seed: int = 0) -> float:
    """Return the mean 1-Wasserstein distance over random directions, in 8-bit levels.

    colours, others: (n, 3) and (m, 3). Source: Rabin et al. 2011, by quantiles since n and m may differ.
    """
    directions = np.random.default_rng(seed).normal(size=(3, DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    levels = (np.arange(QUANTILES) + 0.5) / QUANTILES
    distances = [  # one direction at a time: all of them at once would hold every colour 64 times
        np.abs(np.quantile(colours @ direction, levels) - np.quantile(others @ direction, levels))
        for direction in directions.T
    ]
    return float(np.mean(distances))
