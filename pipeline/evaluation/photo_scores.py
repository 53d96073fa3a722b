"""Every score of one photo: by itself, against its truth, and against its source."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite

import numpy as np

from wespe.metrics import full_reference, no_reference, self_checks

NO_REFERENCE = ("entropy", "png_bpp", "noise", "sharpness", "clipping", "blockiness", "colourfulness")
FULL_REFERENCE = ("psnr", "psnr_best_affine", "ssim", "ssim_luma", "gmsd", "delta_e2000")
OF_THE_SOURCE = ("fidelity", "noise_gain", "colour_correlation", "contrast_ratio")
MOST_DB = 100.0  # identical photos have infinitely many, which no mean survives

Enhance = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Judges:
    """Scores that need weights or a look, by name: {"niqe": Niqe.score}, {"lpips": Lpips(backbone, linear)}.

    blind: of a uint8 photo. compared: of a photo and its truth. NaN is no score. facts: what is known of the
        judges themselves, such as how often one was right.
    """

    blind: Mapping[str, Callable[[np.ndarray], float]] = field(default_factory=dict)
    compared: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = field(default_factory=dict)
    facts: Mapping[str, float] = field(default_factory=dict)


def score_photo(
    photo_hwc: np.ndarray, truth_hwc: np.ndarray | None, judges: Judges | None = None
) -> dict[str, float]:
    """Return every score that exists for this photo, by name.

    Every photo has `ms_ssim_dped`, which for one that is large enough is its `ms_ssim`.
    """
    judges = judges or Judges()
    scores = {name: getattr(no_reference, name)(photo_hwc) for name in NO_REFERENCE}
    scores |= {name: score(photo_hwc) for name, score in judges.blind.items()}
    if truth_hwc is not None:
        small = min(photo_hwc.shape[:2]) < full_reference.MS_SSIM_MIN_PX
        names = (*FULL_REFERENCE, "ms_ssim_dped" if small else "ms_ssim")
        scores |= {name: getattr(full_reference, name)(photo_hwc, truth_hwc) for name in names}
        scores["ms_ssim_dped"] = scores.get("ms_ssim", scores.get("ms_ssim_dped", 0))
        scores["psnr"] = min(scores["psnr"], MOST_DB)
        scores |= {name: compare(photo_hwc, truth_hwc) for name, compare in judges.compared.items()}
    return {name: value for name, value in scores.items() if isfinite(value)}


def check_photo(
    enhance: Enhance, source_hwc: np.ndarray, enhanced_hwc: np.ndarray, seconds: float
) -> dict[str, float]:
    """Return what an enhancement that took `seconds` did to its source: the `SELF_CHECKS`."""
    checks = {name: getattr(self_checks, name)(enhanced_hwc, source_hwc) for name in OF_THE_SOURCE}
    checks["fidelity"] = min(checks["fidelity"], MOST_DB)
    megapixels = source_hwc.shape[0] * source_hwc.shape[1] / 1e6
    return checks | {
        "tile_difference": self_checks.tile_difference(enhance, source_hwc, enhanced_hwc),
        "megapixels_per_s": megapixels / seconds,
    }
