"""Confidence intervals of means and shares."""

import math
from collections.abc import Iterable
from typing import TypedDict

import numpy as np
from scipy.special import ndtri, stdtrit

MIN_VALUES = 5  # below, Student's t is accurate only for normal values, and too wide to be useful
CONFIDENCE = 0.95


class Interval(TypedDict):
    """A mean and its 95 % interval; `low` and `high` are None if n is too small for an interval."""

    mean: float
    low: float | None
    high: float | None
    n: int


def mean_interval(values: Iterable[float]) -> Interval:
    """Return the mean of at least one value, with Student's t interval from `MIN_VALUES` values.

    It contains the true mean in 95 % of cases for normal values and in 92 % for skewed ones; percentile
    bootstrap intervals do in 85 % at n = 5 and in 88 % at n = 10 (tests/wespe/test_interval.py).
    """
    sample = np.array(list(values), dtype=np.float64)
    mean, n = float(sample.mean()), len(sample)
    if n < MIN_VALUES:
        return {"mean": mean, "low": None, "high": None, "n": n}
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2) * sample.std(ddof=1) / math.sqrt(n))
    return {"mean": mean, "low": mean - half, "high": mean + half, "n": n}


def share_interval(count: float, total: int) -> tuple[float, float]:
    """Return the 95 % interval of the share count / total (Wilson 1927); also valid for shares of 0 and 1."""
    z2 = float(ndtri((1 + CONFIDENCE) / 2)) ** 2 / total
    share = count / total
    middle = (share + z2 / 2) / (1 + z2)
    half = math.sqrt(share * (1 - share) * z2 + z2**2 / 4) / (1 + z2)
    return max(0.0, middle - half), min(1.0, middle + half)
