"""Scores of a whole set of photos, computed from features of each photo."""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from pipeline.evaluation.photo_scores import NONE_LEARNED, LearnedScores
from pipeline.evaluation.scores import Score, by_photo
from pipeline.seeds import seed_of
from wespe.metrics.table import METRICS

# Photos are sorted by id, a hash, so the first ones are a random sample of the set.
MAX_PHOTOS = 200


class SetFeatures:
    """Features of up to `MAX_PHOTOS` photos, for all METRICS against the target."""

    def __init__(self, learned: LearnedScores = NONE_LEARNED):
        self._functions = _feature_functions(learned)
        self._features: dict[str, list[np.ndarray]] = {name: [] for name in self._functions}
        self._photos = 0

    def add(self, photo_hwc: np.ndarray, photo_id: str) -> None:
        if self._photos < MAX_PHOTOS:
            self._photos += 1
            for name, function in self._functions.items():
                self._features[name].append(function(photo_hwc, seed_of(name, photo_id)))

    def distances(self, target: "SetFeatures") -> dict[str, float]:
        """Return the scores of this set against the target's photos, by name."""
        return {
            name: METRICS[name].score(np.concatenate(features), np.concatenate(target._features[name]))  # type: ignore[misc]
            for name, features in self._features.items()
        }


def set_scores(
    variants: dict[str, SetFeatures], target: SetFeatures, scores: Sequence[Score], learned: LearnedScores
) -> list[Score]:
    """Return the scores of the whole set, per variant: pooled, against the target, and facts."""
    rows: list[Score] = []
    for variant, features in variants.items():
        figures = _pooled(scores, variant) | features.distances(target) | dict(learned.facts)
        rows += [
            Score(photo_id="", name="", variant=variant, metric=metric, value=value)
            for metric, value in figures.items()
            if math.isfinite(value)
        ]
    return rows


def _pooled(scores: Iterable[Score], variant: str) -> dict[str, float]:
    pooled = {}
    for name, metric in METRICS.items():
        if metric.pools and metric.score and (values := by_photo(scores, variant, metric.pools)):
            pooled[name] = metric.score(list(values.values()))
    return pooled


def _feature_functions(learned: LearnedScores) -> dict[str, Callable[[np.ndarray, int], np.ndarray]]:
    known = {
        name: metric.features or learned.functions.get(name)
        for name, metric in METRICS.items()
        if metric.against == "target"
    }
    return {name: function for name, function in known.items() if function}
