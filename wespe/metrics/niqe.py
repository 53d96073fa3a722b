"""NIQE: distance of a photo's statistics from those of a set of good photos, without a truth or ratings.

Here it is fitted to a camera's target set, so it measures the distance from the look that training aims at.
Source: Mittal, Soundararajan & Bovik 2013, "Making a completely blind image quality analyzer", and their
published code.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import gamma

from wespe.metrics.natural_scenes import Aggd, fit_aggd, halve, luma, neighbour_products, normalise

PATCH_PX = 96
SHARPEST = 0.75  # use patches at least this sharp, relative to the sharpest patch of their photo
FEATURES = 36
# A covariance of 36 features needs about this many patches. The score of one photo was 48.9, 13.7, 8.8, 5.3
# and 5.0 when fitted to 1, 2, 4, 12 and 24 photos.
MIN_PATCHES = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class Niqe:
    """A Gaussian over the statistics of sharp patches: mean (36,), covariance (36, 36), float64."""

    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def fit(cls, photos: Iterable[np.ndarray], min_patches: int = MIN_PATCHES) -> Self:
        """Fit the Gaussian to uint8 photos_hwc. Photos with a side below 96 px contribute no patch.

        Raises: ValueError if there are fewer than `min_patches` sharp patches.
        """
        features = np.concatenate([np.empty((0, FEATURES)), *map(_sharp_patches, photos)])
        if len(features) < min_patches:
            raise ValueError(
                f"NIQE needs at least {min_patches} sharp patches of {PATCH_PX} px; these photos have only "
                f"{len(features)}"
            )
        return cls(mean=features.mean(axis=0), covariance=np.cov(features, rowvar=False))

    def score(self, photo_hwc: np.ndarray) -> float:
        """Return the distance of a uint8 photo's patches from the fitted set: 0 is equal, photos score 2–15.

        Pass the photo at full resolution. NaN for a photo without texture, such as a white one.
        Raises: ValueError for photos too small for two patches.
        """
        features = patch_features(photo_hwc)[0]
        if len(features) < 2:
            height, width = photo_hwc.shape[:2]
            raise ValueError(f"NIQE needs two patches of {PATCH_PX} px in a photo, got {width}x{height}")
        features = features[np.isfinite(features).all(axis=1)]
        if len(features) < 2:
            return float("nan")
        offset = features.mean(axis=0) - self.mean
        covariance = (self.covariance + np.cov(features, rowvar=False)) / 2
        return float(np.sqrt(offset @ np.linalg.pinv(covariance) @ offset))


def patch_features(photo_hwc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return features (n, 36) and sharpness (n,) of all complete patches of a photo, row by row.

    18 features are computed at full scale and 18 at half scale. Patches without texture have NaN features.
    """
    rows, columns = (side // PATCH_PX for side in photo_hwc.shape[:2])
    if not rows * columns:
        return np.empty((0, FEATURES)), np.empty(0)
    plane = luma(photo_hwc[: rows * PATCH_PX, : columns * PATCH_PX])
    coefficients, deviations = normalise(plane, "nearest")
    halved = normalise(halve(plane), "nearest")[0]
    features = [_features(coefficients, PATCH_PX), _features(halved, PATCH_PX // 2)]
    sharpness = np.concatenate([band.mean(axis=(1, 2)) for band in _bands(deviations, PATCH_PX)])
    return np.concatenate(features, axis=1), sharpness


def _sharp_patches(photo_hwc: np.ndarray) -> np.ndarray:
    features, sharpness = patch_features(photo_hwc)
    sharp = sharpness > SHARPEST * sharpness.max(initial=0)
    return features[sharp & np.isfinite(features).all(axis=1)]


def _features(coefficients: np.ndarray, size_px: int) -> np.ndarray:
    """Return 18 features per patch; works on one row of patches at a time, which fits in the cache."""
    return np.concatenate([_band_features(band) for band in _bands(coefficients, size_px)])


def _bands(plane: np.ndarray, size_px: int) -> list[np.ndarray]:
    """Cut into rows of patches, each (columns, size, size)."""
    return [
        np.ascontiguousarray(band.reshape(size_px, -1, size_px).swapaxes(0, 1))
        for band in plane.reshape(-1, size_px, plane.shape[1])
    ]


def _band_features(band: np.ndarray) -> np.ndarray:
    shape, left, right = _scaled(fit_aggd(band))
    features = [shape, (left + right) / 2]
    for products in neighbour_products(band):
        shape, left, right = _scaled(fit_aggd(products))
        mean = (right - left) * gamma(2 / shape) / gamma(1 / shape)
        features += [shape, mean, left, right]
    return np.stack(features, axis=1)


def _scaled(fit: Aggd) -> Aggd:
    """Convert deviations to the scales β of eq. 3."""
    scale = np.sqrt(gamma(1 / fit.shape) / gamma(3 / fit.shape))
    return Aggd(fit.shape, fit.left * scale, fit.right * scale)
