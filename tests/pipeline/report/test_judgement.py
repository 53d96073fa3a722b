"""The headline says no more than the intervals do."""

import pytest

from pipeline.evaluation.scores import Score
from pipeline.report.judgement import judge


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
        (1, 2, "helps this camera, and more than a histogram match"),
        (2, 2, "helps this camera. If more than a histogram match, these photos cannot tell"),
        (3, 2, "helps this camera, but less than a histogram match"),
        (1, 0, "no clear difference"),
        (1, -1, "harms this camera"),
    ],
)
def test_the_headline_follows_both_intervals(match: float, enhanced: float, headline: str):
    judged = scores(untouched=STEADY, histogram_match=shifted(match), enhanced=shifted(enhanced))
    assert headline in judge(judged).headline


def test_gains_are_paired_by_photo_and_above_zero_where_better():
    judged = judge(scores(untouched=[10.0, 20.0], enhanced=[12.0, 21.0]))
    [gain] = judged.gains
    assert (gain.yardstick, gain.mean, gain.low, gain.high) == ("untouched", 1.5, 1.0, 2.0)
    assert "Only 2 test photos" in judged.detail


def test_a_smaller_colour_distance_is_a_gain_without_an_interval():
    distances = {"untouched": [24.0], "histogram_match": [9.0], "enhanced": [17.0]}
    judged = judge(scores("colour_distance", **distances))
    assert [gain.mean for gain in judged.gains] == [7.0, -8.0]
    assert "but less than a histogram match" in judged.headline
    assert "interval +" not in judged.detail


def test_an_infinite_score_decides_nothing():
    judged = judge(scores(untouched=[float("inf"), 20.0], enhanced=[30.0, 21.0]))
    assert judged.gains[0].mean == 1.0
