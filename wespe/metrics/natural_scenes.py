"""Natural scene statistics: the features of NIQE and BRISQUE, which distortions change.

Both normalise the luma by its local mean and deviation (MSCN coefficients, Ruderman 1994), and fit asymmetric
generalised Gaussians (AGGD, Lasmar et al. 2009) to the coefficients and to products of neighbouring ones.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.ndimage import correlate1d
from scipy.special import gamma

NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))  # (rows, columns) from a pixel to its neighbour
WINDOW_PX = 7
WINDOW_SIGMA_PX = 7 / 6
HALF_SCALE_BORDER_PX = 4  # the support of bicubic halving beyond a pixel

# For a generalised Gaussian, (E|x|)² / E(x²) rises with its shape; shape 2 is the Gaussian, 1 the Laplacian.
SHAPES = np.arange(0.2, 10.001, 0.001)
RATIOS = gamma(2 / SHAPES) ** 2 / (gamma(1 / SHAPES) * gamma(3 / SHAPES))


class Aggd(NamedTuple):
    """Asymmetric generalised Gaussians: shape 0.2–10, and the deviations below and above zero."""

    shape: np.ndarray
    left: np.ndarray
    right: np.ndarray


def luma(photo_hwc: np.ndarray) -> np.ndarray:
    """Return the 8-bit luma, 0.299 R + 0.587 G + 0.114 B, as float32 (h, w)."""
    return np.asarray(Image.fromarray(photo_hwc).convert("L")).astype(np.float32)


def normalise(plane: np.ndarray, border: str) -> tuple[np.ndarray, np.ndarray]:
    """Return MSCN coefficients and local deviations of a plane in 8-bit levels.

    border: `nearest` repeats the edge (NIQE), `constant` puts zeros around (BRISQUE).
    """
    offsets = np.arange(WINDOW_PX) - WINDOW_PX // 2
    window = np.exp(-0.5 * (offsets / WINDOW_SIGMA_PX) ** 2)
    window /= window.sum()
    mean, mean_square = plane, plane * plane
    for axis in (0, 1):
        mean = correlate1d(mean, window, axis=axis, mode=border)
        mean_square = correlate1d(mean_square, window, axis=axis, mode=border)
    deviation = np.sqrt(np.abs(mean_square - mean * mean))
    return (plane - mean) / (deviation + 1), deviation


def halve(plane: np.ndarray) -> np.ndarray:
    """Scale a float32 plane to half its sides, rounded up, like MATLAB's antialiased bicubic `imresize`."""
    rows, columns = ((side + 1) // 2 for side in plane.shape)
    margin = HALF_SCALE_BORDER_PX
    margins = [(margin, margin + side % 2) for side in plane.shape]
    bordered = Image.fromarray(np.pad(plane, margins, mode="symmetric"))
    halved = bordered.resize((columns + margin, rows + margin), Image.Resampling.BICUBIC)
    return np.asarray(halved)[margin // 2 : -margin // 2, margin // 2 : -margin // 2]


def fit_aggd(values: np.ndarray) -> Aggd:
    """Fit an AGGD to each plane of (…, h, w) by moments; NaN for planes without values on both sides of zero.

    Source: eq. 8–13 of Mittal et al. 2012 (BRISQUE).
    """
    magnitude = np.abs(values)
    square = _sum(values * values)
    signed = _sum(values * magnitude)
    count = values.shape[-2] * values.shape[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.sqrt(np.maximum(square - signed, 0) / 2 / np.count_nonzero(values < 0, axis=(-2, -1)))
        right = np.sqrt(np.maximum(square + signed, 0) / 2 / np.count_nonzero(values > 0, axis=(-2, -1)))
        skew = left / right
        ratio = _sum(magnitude) ** 2 / (count * square)
        ratio *= (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    return Aggd(np.interp(ratio, RATIOS, SHAPES), left, right)


def fit_ggd(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit a symmetric generalised Gaussian to each plane of (…, h, w); return shapes and variances.

    Source: eq. 4–7 of Mittal et al. 2012 (BRISQUE), after Sharifi & Leon-Garcia 1995.
    """
    count = values.shape[-2] * values.shape[-1]
    variance = _sum(values * values) / count
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (_sum(np.abs(values)) / count) ** 2 / variance
    return np.interp(ratio, RATIOS, SHAPES), variance


def neighbour_products(coefficients: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the products of coefficients (…, h, w) and their neighbours, per direction; edges wrap around."""
    for shift in NEIGHBOURS:
        yield coefficients * np.roll(coefficients, shift, axis=(-2, -1))


def _sum(values: np.ndarray) -> np.ndarray:
    """Sum each plane: rows in float32 for speed, then the rows' sums in float64 for accuracy."""
    return values.sum(axis=-1).sum(axis=-1, dtype=np.float64)
