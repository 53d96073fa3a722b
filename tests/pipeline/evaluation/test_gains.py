"""Better means the same everywhere: paired by photo, in the metric's direction, with an interval."""

import pytest

from pipeline.evaluation.gains import answer, gain, gain_of
from wespe.metrics.interval import mean_interval

PHOTOS = "abcdef"


def values(*numbers: float) -> dict[str, float]:
    return dict(zip(PHOTOS, numbers, strict=False))


EASY_AND_HARD = values(30, 20, 25, 15, 35, 10)


def shifted(by: float) -> dict[str, float]:
    return {photo: value + by + 0.1 * (photo in "ace") for photo, value in EASY_AND_HARD.items()}


def test_a_small_gain_on_every_photo_is_certain_although_photos_differ_much():
    gained = gain("psnr", shifted(0.5), EASY_AND_HARD)
    assert gained.answer == "better"
    assert str(gained) == "+0.55 dB [+0.49, +0.61], 6 photos"
    assert gain("psnr", EASY_AND_HARD, shifted(0.5)).answer == "worse"
    assert gain("psnr", shifted(-0.05), EASY_AND_HARD).answer == "unclear"


def test_if_lower_is_better_a_decrease_is_a_gain():
    gained = gain("delta_e2000", EASY_AND_HARD, shifted(0.5))
    assert gained.answer == "better"
    assert gained.interval["mean"] == pytest.approx(0.55)
    assert gained.interval["low"] < 0.55 < gained.interval["high"]
    assert answer("delta_e2000", mean_interval([-1.0] * 5)) == "better"
    assert answer("noise", mean_interval([1.0] * 5)) == "worse"


def test_a_score_that_only_describes_is_neither_better_nor_worse():
    assert answer("entropy", mean_interval([1.0] * 5)) == ""


def test_a_value_without_an_interval_is_never_called_better():
    assert answer("psnr_pooled", mean_interval([1.0])) == ""


def test_only_common_photos_are_compared():
    gained = gain("psnr", shifted(1) | {"easy": 60.0}, EASY_AND_HARD | {"hard": 1.0})
    assert gained.photos == 6
    assert gain("psnr", {"a": 1.0}, {"b": 1.0}) is None


def test_four_photos_are_always_too_few():
    gained = gain("psnr", values(30, 30, 30, 30), values(20, 20, 20, 20))
    assert gained.answer == "too few photos"
    assert "n = 4, too small" in str(gained)


def test_a_single_value_for_a_set_is_compared_directly():
    gained = gain("colour_distance", {"": 3.0}, {"": 5.0})
    assert (gained.answer, str(gained)) == ("better", "+2.00 levels, one value for all photos")
    assert gain_of("psnr_pooled", mean_interval([-1.0])).answer == "worse"
