"""BRISQUE: no-reference distortion score, a regression trained on human ratings of distorted photos.

The 36 features are computed here; the libsvm regression and the ranges that scale its features are read from
the authors' two files. Source: Mittal, Moorthy & Bovik 2012, "No-reference image quality assessment in the
spatial domain", and their published code.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from scipy.special import gamma

from wespe.metrics.natural_scenes import fit_aggd, fit_ggd, halve, luma, neighbour_products, normalise

FEATURES = 36
MIN_PX = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Brisque:
    """An ε-support-vector regression with an RBF kernel, on features scaled to −1…1.

    minima, maxima: (36,); vectors: (n, 36); coefficients: (n,).
    """

    minima: np.ndarray
    maxima: np.ndarray
    vectors: np.ndarray
    coefficients: np.ndarray
    offset: float
    gamma: float

    @classmethod
    def read(cls, model: Path, ranges: Path) -> Self:
        """Read libsvm's text files: the model of svm-train, the ranges of svm-scale.

        Raises: ValueError for other files, OSError for a missing one.
        """
        minima, maxima = _read_ranges(ranges)
        header, rows = _read_model(model)
        return cls(
            minima=minima,
            maxima=maxima,
            vectors=rows[:, 1:],
            coefficients=rows[:, 0],
            offset=-float(header["rho"]),
            gamma=float(header["gamma"]),
        )

    def score(self, photo_hwc: np.ndarray) -> float:
        """Predict the rating that LIVE's viewers would give a uint8 photo: 0 (flawless) to 100 (ruined).

        LIVE's photos have about 0.4 megapixels: to compare with published figures, scale larger photos to 768
        px on the longer side. The score is not clipped, and unreliable for features far outside the ranges.
        NaN for a photo without texture.
        """
        features = brisque_features(photo_hwc)
        scaled = 2 * (features - self.minima) / (self.maxima - self.minima) - 1
        distances = np.square(self.vectors - scaled).sum(axis=1)
        return float(self.coefficients @ np.exp(-self.gamma * distances) + self.offset)


def brisque_features(photo_hwc: np.ndarray) -> np.ndarray:
    """Return 18 features of a uint8 photo at full scale, then 18 at half scale, as (36,).

    NaN for a photo without texture. Raises: ValueError for photos with a side below 16 px.
    """
    if min(photo_hwc.shape[:2]) < MIN_PX:
        height, width = photo_hwc.shape[:2]
        raise ValueError(f"BRISQUE needs at least {MIN_PX} px on each side, got {width}x{height}")
    plane = luma(photo_hwc)
    return np.array([*_features(plane), *_features(halve(plane))])


def _features(plane: np.ndarray) -> Iterator[float]:
    coefficients, _ = normalise(plane, "constant")
    yield from map(float, fit_ggd(coefficients))
    for products in neighbour_products(coefficients):
        shape, left, right = map(float, fit_aggd(products))
        scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
        yield from (shape, (right - left) * scale * gamma(2 / shape) / gamma(1 / shape), left**2, right**2)


def _read_ranges(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read svm-scale's file: `x`, the range to scale to, then `index minimum maximum` per feature."""
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    if lines[:2] != [["x"], ["-1", "1"]] or [len(line) for line in lines[2:]] != [3] * FEATURES:
        raise ValueError(f"{path}: not ranges of {FEATURES} features scaled to -1..1; give svm-scale's file")
    rows = np.array(lines[2:], dtype=np.float64)
    return rows[:, 1], rows[:, 2]


def _read_model(path: Path) -> tuple[dict[str, str], np.ndarray]:
    """Read svm-train's file: settings, and per support vector its coefficient and features, as (n, 37)."""
    head, _, body = path.read_text().replace("\r\n", "\n").partition("\nSV\n")
    header = dict(line.split(maxsplit=1) for line in head.splitlines())
    if (header.get("svm_type"), header.get("kernel_type")) != ("epsilon_svr", "rbf"):
        raise ValueError(
            f"{path}: not a libsvm model of type epsilon_svr with an rbf kernel; give svm-train's file"
        )
    lines = body.splitlines()
    rows = np.zeros((len(lines), 1 + FEATURES))
    for row, line in zip(rows, lines, strict=True):
        coefficient, *features = line.split()
        row[0] = float(coefficient)
        for feature in features:  # zeros are omitted
            index, value = feature.split(":")
            if not 1 <= int(index) <= FEATURES:
                raise ValueError(f"{path}: invalid feature {index} of {FEATURES}; download the file again")
            row[int(index)] = float(value)
    if len(rows) != int(header["total_sv"]):
        raise ValueError(
            f"{path}: only {len(rows)} of {header['total_sv']} support vectors; download the file again"
        )
    return header, rows
