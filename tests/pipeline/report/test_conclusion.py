"""The headline says no more than the intervals do."""

import pytest

from pipeline.evaluation.scores import Score
from pipeline.report.conclusion import conclude


def scores(metric: str = "psnr", **values: list[float]) -> list[Score]:
    alone = metric == "colour_distance"
    return [
        Score(photo_id="" if alone else str(number), name="", variant=variant, metric=metric, value=value)
        for variant, row in values.items()
        for number, value in enumerate(row)
    ]


STEADY = [20.0, 20.5, 21.0, 20.2, 20.8, 20.1, 20.9, 20.4, 20.6, 20.3, 20.7, 20.0]


def shifted(by: float) -> list[float]:
    return [value + by + 0.1 * (-1) ** number for number, value in enumerate(STEADY)]


@pytest.mark.parametrize(
    ("match", "enhanced", "headline"),
    [
        (1, 2, "improves this camera’s photos, more than a histogram match"),
        (2, 2, "improves this camera’s photos. It is unclear whether it is better than a histogram match"),
        (3, 2, "improves this camera’s photos, but less than a histogram match"),
        (1, 0, "no clear difference"),
        (1, -1, "makes this camera’s photos worse"),
    ],
)
def test_the_headline_follows_both_intervals(match: float, enhanced: float, headline: str):
    given = scores(untouched=STEADY, histogram_match=shifted(match), enhanced=shifted(enhanced))
    assert headline in conclude(given).headline


def test_gains_are_paired_by_photo_and_above_zero_where_better():
    conclusion = conclude(scores(untouched=[10.0, 20.0, 15, 15, 15], enhanced=[12.0, 21.0, 16, 17, 16.5]))
    [(yardstick, gain)] = conclusion.gains.items()
    assert (yardstick, gain.interval["mean"]) == ("untouched", 1.5)
    assert 1 > gain.interval["low"] > 0
    assert "1.50 dB closer to the truth than the untouched photo (95 % interval +" in conclusion.detail


def test_what_training_added_is_said_with_its_interval():
    """Protects: hours of training that add nothing to what was fitted before the first step."""
    given = scores(untouched=STEADY, start=shifted(1.5), enhanced=[value + 2 for value in STEADY])
    conclusion = conclude(given)
    assert "Training added +0.50 dB (95 % interval +0." in conclusion.detail
    assert conclusion.gains["start"].answer == "better"


def test_too_few_photos_are_reported():
    conclusion = conclude(scores(untouched=[10.0, 20.0], enhanced=[12.0, 21.0]))
    assert conclusion.headline.startswith("There are too few test photos to tell")
    assert "n too small for an interval: 2 test photos, at least 5 needed" in conclusion.detail
    assert "95 %" not in conclusion.detail


def test_a_smaller_colour_distance_is_a_gain_without_an_interval():
    distances = {"untouched": [24.0], "histogram_match": [9.0], "enhanced": [17.0]}
    conclusion = conclude(scores("colour_distance", **distances))
    assert [gain.interval["mean"] for gain in conclusion.gains.values()] == [7.0, -8.0]
    assert "but less than a histogram match" in conclusion.headline
    assert "8.00 levels further from the target’s colours than a histogram match" in conclusion.detail
    assert "interval +" not in conclusion.detail
