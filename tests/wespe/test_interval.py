"""A 95 % interval holds the true mean in about 95 % of experiments, or is not given."""

import numpy as np
import pytest

from wespe.metrics.interval import MIN_VALUES, mean_interval, share_interval

EXPERIMENTS = 2000
RANDOM = {  # name → draws of (experiments, n), true mean, least coverage of all n
    "normal": (lambda rng, size: rng.normal(0.3, 1, size), 0.3, 0.94),
    # As gains per photo are: most near one value, a few much larger.
    "skewed": (lambda rng, size: rng.gamma(2.0, 1.0, size), 2.0, 0.90),
    "clipped": (lambda rng, size: np.abs(rng.normal(0, 1, size)), np.sqrt(2 / np.pi), 0.91),
}


@pytest.mark.parametrize("n", [5, 6, 10, 20])
@pytest.mark.parametrize("shape", RANDOM)
def test_the_interval_covers_the_true_mean_as_often_as_it_says(shape: str, n: int) -> None:
    """Protects: the gates. A percentile bootstrap covers 85 % at n = 5, and would fail here."""
    draw, mean, least = RANDOM[shape]
    samples = draw(np.random.default_rng(n), (EXPERIMENTS, n))
    intervals = [mean_interval(sample) for sample in samples]
    covered = np.mean([interval["low"] <= mean <= interval["high"] for interval in intervals])
    assert least <= covered <= 0.965


def test_below_five_values_there_is_a_mean_and_no_interval() -> None:
    assert MIN_VALUES == 5
    assert mean_interval([1.0, 2.0, 3.0, 6.0]) == {"mean": 3.0, "low": None, "high": None, "n": 4}
    assert mean_interval([7.0]) == {"mean": 7.0, "low": None, "high": None, "n": 1}


def test_the_interval_is_students_t() -> None:
    interval = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.776445 * np.sqrt(2.5 / 5)  # Student's t of 4 degrees of freedom, from a printed table
    assert interval["low"] == pytest.approx(3 - half, abs=1e-5)
    assert interval["high"] == pytest.approx(3 + half, abs=1e-5)
    assert interval["n"] == 5


def test_equal_values_have_an_interval_without_width() -> None:
    assert mean_interval([2.0] * 5) == {"mean": 2.0, "low": 2.0, "high": 2.0, "n": 5}


def test_intervals_of_shares_are_the_published_ones() -> None:
    # Newcombe 1998, table I, method 3.
    assert share_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert share_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert share_interval(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert share_interval(29, 29) == pytest.approx((0.8830, 1), abs=5e-5)
