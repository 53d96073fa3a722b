"""All scores of one photo: without a reference, against its truth, and against the untouched photo."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np

from wespe.metrics.self_checks import tile_difference
from wespe.metrics.table import METRICS, Comparison

Enhance = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class LearnedScores:
    """Scores that need weights, by their name in METRICS.

    functions: called with the arguments that METRICS specifies; NaN means no score. For scores against the
        target, the function that computes a photo's features.
    facts: values about the scores themselves, such as a rater's accuracy.
    left_out: reasons for missing scores.
    """

    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    facts: Mapping[str, float] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


NONE_LEARNED = LearnedScores()


def score_photo(
    photo_hwc: np.ndarray, truth_hwc: np.ndarray | None, learned: LearnedScores = NONE_LEARNED
) -> dict[str, float]:
    """Return all scores of a photo by name; scores against the truth only if there is one."""
    scores = _scores("nothing", learned, photo_hwc)
    if truth_hwc is not None:
        scores |= _scores("truth", learned, photo_hwc, truth_hwc)
    return scores


def check_photo(
    enhance: Enhance,
    source_hwc: np.ndarray,
    enhanced_hwc: np.ndarray,
    seconds: float,
    learned: LearnedScores = NONE_LEARNED,
) -> dict[str, float]:
    """Return the self checks of an enhancement that took `seconds`."""
    megapixels = source_hwc.shape[0] * source_hwc.shape[1] / 1e6
    return _scores("source", learned, enhanced_hwc, source_hwc) | {
        "tile_difference": tile_difference(enhance, source_hwc, enhanced_hwc),
        "megapixels_per_s": megapixels / seconds,
    }


def _scores(against: Comparison, learned: LearnedScores, *photos: np.ndarray) -> dict[str, float]:
    """Compute all METRICS of this kind; scores that are not finite are left out."""
    scores = {}
    for name, metric in METRICS.items():
        function = metric.score or learned.functions.get(name)
        if metric.against != against or metric.pools or function is None:
            continue
        value = function(*photos)
        scores[name] = value if metric.maximum is None else min(value, metric.maximum)
    return {name: value for name, value in scores.items() if isfinite(value)}
