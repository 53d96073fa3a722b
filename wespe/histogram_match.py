"""Histogram matching between two sets of photos: the baseline that learns global colour without training."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

LEVELS = np.arange(256)


@dataclass(frozen=True)
class HistogramMatch:
    """Three monotone curves, one per channel, that map the source set's histogram to the target set's."""

    curves: np.ndarray  # (3, 256) uint8

    @classmethod
    def fit(cls, sources: Iterable[np.ndarray], targets: Iterable[np.ndarray]) -> "HistogramMatch":
        """Fit the curves to two unpaired sets of uint8 photos (h, w, 3) of any size.

        All photos have the same weight, whatever their size. Only one is in memory at a time.
        """
        return cls.between(_distribution(sources), _distribution(targets))

    @classmethod
    def between(cls, source: np.ndarray, target: np.ndarray) -> "HistogramMatch":
        """Fit the curves to two distributions, (3, 256) each; each row sums to 1."""
        return cls(np.stack([_curve(*rows) for rows in zip(source, target, strict=True)]))

    def enhance(self, photo_hwc: np.ndarray) -> np.ndarray:
        """Apply the curves to a uint8 photo."""
        return np.stack([self.curves[c][photo_hwc[..., c]] for c in range(3)], axis=-1)


def _distribution(photos: Iterable[np.ndarray]) -> np.ndarray:
    """Return the mean histogram of a set, (3, 256); each row sums to 1."""
    total, count = np.zeros((3, 256)), 0
    for photo_hwc in photos:
        for channel in range(3):
            plane = photo_hwc[..., channel].ravel()
            total[channel] += np.bincount(plane, minlength=256) / plane.size
        count += 1
    if not count:
        raise ValueError("a histogram needs at least one photo")
    return total / count


def _curve(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the (256,) uint8 curve that maps each source quantile to the same quantile of the target."""
    used = target > 0  # empty levels would make the inverse ambiguous
    levels = np.interp(np.cumsum(source), np.cumsum(target)[used], LEVELS[used])
    return np.rint(levels).astype(np.uint8)
