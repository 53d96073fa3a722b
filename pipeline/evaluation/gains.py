"""Decides whether one result is better than another, for the verdict, the report and its tables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.evaluation.scores import Score, by_photo
from wespe.metrics.interval import MIN_VALUES, Interval, mean_interval
from wespe.metrics.table import METRICS

# PSNR decides if photos have truths, else the distance of all their colours from the target's.
TRUTH_DECIDES, TARGET_DECIDES = "psnr", "colour_distance"

Answer = Literal["better", "worse", "unclear", "too few photos", ""]  # '': not comparable


@dataclass(frozen=True, kw_only=True)
class Gain:
    """How much better one side scores, paired by photo; above 0 is better for every metric."""

    metric: str
    interval: Interval

    @property
    def answer(self) -> Answer:
        return _answer(self.interval, METRICS[self.metric].of_set)

    @property
    def photos(self) -> int:
        return self.interval["n"]

    def __str__(self) -> str:
        metric = METRICS[self.metric]
        mean = f"{self.interval['mean']:+.{metric.digits}f} {metric.unit}".rstrip()
        if metric.of_set:
            return f"{mean}, one value for all photos"
        return f"{mean} {interval_text(self.interval, metric.digits, '+')}, {count(self.photos)}"


def deciding_metric(scores: Iterable[Score]) -> str:
    """Return the metric that decides whether the enhanced photos are better than others."""
    return TRUTH_DECIDES if by_photo(scores, "enhanced", TRUTH_DECIDES) else TARGET_DECIDES


def gain(metric: str, ours: Mapping[str, float], theirs: Mapping[str, float]) -> Gain | None:
    """Compare values by photo id, on the photos that both have; None if they have none in common."""
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        return None
    return gain_of(metric, mean_interval(ours[photo] - theirs[photo] for photo in common))


def gain_of(metric: str, change: Interval) -> Gain:
    """Convert a change of the metric into a gain: if lower is better, the sign is reversed."""
    if METRICS[metric].better != "lower":
        return Gain(metric=metric, interval=change)
    low, high = (None if end is None else -end for end in (change["high"], change["low"]))
    return Gain(metric=metric, interval={"mean": -change["mean"], "low": low, "high": high, "n": change["n"]})


def answer(metric: str, change: Interval) -> Answer:
    """Tell whether a change of a metric is an improvement, according to its interval."""
    known = METRICS[metric].better and not METRICS[metric].of_set
    return gain_of(metric, change).answer if known else ""


def interval_text(interval: Interval, digits: int, sign: str = "") -> str:
    """Return `[low, high]`, or the reason why there is no interval."""
    if interval["low"] is None or interval["high"] is None:
        return f"(n = {interval['n']}, too small for an interval)"
    return f"[{interval['low']:{sign}.{digits}f}, {interval['high']:{sign}.{digits}f}]"


def too_few(photos: int) -> str:
    """Explain that there are too few photos for an interval, and what to do."""
    return (
        f"n too small: {count(photos)}, an interval needs {MIN_VALUES}; add test photos, or raise the "
        "camera's photos.split.test"
    )


def count(photos: int) -> str:
    return "1 photo" if photos == 1 else f"{photos} photos"


def _answer(gain: Interval, of_set: bool) -> Answer:
    low, high = gain["low"], gain["high"]
    if of_set:  # one value without an interval
        low = high = gain["mean"]
    if low is None or high is None:
        return "too few photos"
    if low > 0:
        return "better"
    return "worse" if high < 0 else "unclear"
