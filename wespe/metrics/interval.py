"""How certain a mean over photos is."""

import math
from collections.abc import Iterable
from typing import TypedDict

import numpy as np
from scipy.special import ndtri, stdtrit

MIN_VALUES = 5  # below that even Student's t is honest only for normal values, and too wide to be of use
CONFIDENCE = 0.95


class Interval(TypedDict):
    """A mean and its 95 % interval; `low` and `high` are None where n is too small, or one figure is all."""

    mean: float
    low: float | None
    high: float | None
    n: int


def mean_interval(values: Iterable[float]) -> Interval:
    """Return the mean of one value or more, with Student's t interval if there are at least `MIN_VALUES`.

    Percentile bootstrap intervals, used before, hold the true mean in 85 % of cases at n = 5, and in 88 % at
    10; these in 95 % for normal values and in 92 % for skewed ones (tests/wespe/test_interval.py).
    """
    sample = np.array(list(values), dtype=np.float64)
    mean, n = float(sample.mean()), len(sample)
    if n < MIN_VALUES:
        return {"mean": mean, "low": None, "high": None, "n": n}
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2) * sample.std(ddof=1) / math.sqrt(n))
    return {"mean": mean, "low": mean - half, "high": mean + half, "n": n}


def share_interval(count: float, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, `count` of `total` (Wilson 1927); it holds at 0 and 1, too."""
    z2 = float(ndtri((1 + CONFIDENCE) / 2)) ** 2 / total
    share = count / total
    middle = (share + z2 / 2) / (1 + z2)
    half = math.sqrt(share * (1 - share) * z2 + z2**2 / 4) / (1 + z2)
    return max(0.0, middle - half), min(1.0, middle + half)
