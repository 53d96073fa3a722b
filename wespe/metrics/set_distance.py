"""How far apart two sets of photos are, in colour and in texture: the judge where no photo has a truth."""

import numpy as np
from scipy.linalg import eigh, eigvalsh

from wespe.metrics.planes import halve, luma

COLOURS_PER_PHOTO = 4096
GRADIENTS_PER_PHOTO = 2048  # of each scale
SCALES = 4
DIRECTIONS = 64
QUANTILES = 512


def sample_colours(photo_hwc: np.ndarray, seed: int = 0, count: int = COLOURS_PER_PHOTO) -> np.ndarray:
    """Draw `count` pixels of a uint8 photo, with replacement, as (count, 3) float32 in 8-bit levels.

    Every photo gives the same number, so a large photo is no louder than a small one.
    """
    pixels = photo_hwc.reshape(-1, 3)
    chosen = np.random.default_rng(seed).integers(len(pixels), size=count)
    return pixels[chosen].astype(np.float32)


def sample_gradients(photo_hwc: np.ndarray, seed: int = 0, count: int = GRADIENTS_PER_PHOTO) -> np.ndarray:
    """Draw luma gradients of a uint8 photo at `SCALES` sizes, each half the last.

    Returns (SCALES, count, 2) float32, in 8-bit levels a pixel of that size.
    """
    rng, plane = np.random.default_rng(seed), luma(photo_hwc)
    gradients = []
    for _ in range(SCALES):
        rows, columns = (rng.integers(max(1, side - 1), size=count) for side in plane.shape)
        below = np.minimum(rows + 1, plane.shape[0] - 1)
        right = np.minimum(columns + 1, plane.shape[1] - 1)
        here = plane[rows, columns].astype(np.float32)
        gradients.append(np.stack([plane[below, columns] - here, plane[rows, right] - here], axis=-1))
        plane = halve(plane)
    return np.stack(gradients)


def sliced_wasserstein(values: np.ndarray, others: np.ndarray, seed: int = 0) -> float:
    """Return the mean 1-Wasserstein distance over random directions, in the unit of the values.

    values, others: (n, d) and (m, d). Source: Rabin et al. 2011, by quantiles since n and m may differ.
    """
    directions = np.random.default_rng(seed).normal(size=(values.shape[1], DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    distances = [  # one direction at a time: all of them at once would hold every value 64 times
        np.mean(np.abs(_quantiles(values @ direction) - _quantiles(others @ direction)))
        for direction in directions.T.astype(np.float32)
    ]
    return float(np.mean(distances))


def texture_distance(gradients: np.ndarray, others: np.ndarray, seed: int = 0) -> float:
    """Return the sliced Wasserstein distance of gradients, mean over scales, in levels a pixel.

    gradients, others: (SCALES, n, 2) and (SCALES, m, 2). Blur, noise and contrast all count, so it stands
    beside `noise`.
    """
    scales = zip(gradients, others, strict=True)
    return float(np.mean([sliced_wasserstein(one, other, seed) for one, other in scales]))


def frechet_distance(features: np.ndarray, others: np.ndarray) -> float:
    """Fréchet distance of the Gaussians fitted to two sets of feature vectors, (n, d) and (m, d).

    With Inception's pooled features it is the FID (Heusel et al. 2017). Below about d vectors it is biased
    upwards, so compare only sets of the same sizes. Raises ValueError for fewer than two vectors.
    """
    if min(len(features), len(others)) < 2:
        raise ValueError(f"a covariance needs two vectors, got {len(features)} and {len(others)}")
    one, other = (np.atleast_2d(np.cov(side, rowvar=False, dtype=np.float64)) for side in (features, others))
    values, vectors = eigh(one)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    # The trace of (Σ₁Σ₂)^½ by a symmetric matrix of the same eigenvalues, which rounding cannot make complex.
    common = np.sqrt(np.maximum(eigvalsh(root @ other @ root), 0)).sum()
    offset = np.square(features.mean(axis=0, dtype=np.float64) - others.mean(axis=0, dtype=np.float64)).sum()
    return float(offset + np.trace(one) + np.trace(other) - 2 * common)


def _quantiles(values: np.ndarray) -> np.ndarray:
    """Return `QUANTILES` even quantiles; sorting all is many times as fast as NumPy's search for them."""
    ranks = (np.arange(QUANTILES) + 0.5) / QUANTILES * (len(values) - 1)
    ordered, low = np.sort(values), ranks.astype(int)
    high = np.minimum(low + 1, len(values) - 1)
    return ordered[low] + (ranks - low) * (ordered[high] - ordered[low])
