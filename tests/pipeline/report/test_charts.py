"""Charts and tables show the numbers that they were given."""

import re

import numpy as np
import pytest
from skimage import data

from pipeline.report.charts import BOTTOM, LEFT, RIGHT, TOP, line_chart
from pipeline.report.colours import histograms, median_curves, sample
from pipeline.report.rendering import number, size
from pipeline.report.score_table import score_table
from wespe.metrics.interval import Interval


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]


def test_a_line_spans_the_chart_and_rises_where_its_numbers_do():
    [line] = line_chart("loss", {"loss": ([0, 50, 100], [2.0, 1.0, 3.0])}).lines
    assert points(line.path) == [(LEFT, (TOP + BOTTOM) / 2), ((LEFT + RIGHT) / 2, BOTTOM), (RIGHT, TOP)]


def test_a_long_training_is_thinned_but_keeps_its_level():
    steps = np.arange(100_000)
    [line] = line_chart("loss", {"loss": (steps, np.where(steps % 2, 4.0, 0.0))}, y_range=(0, 4)).lines
    drawn = points(line.path)
    assert len(drawn) == 200
    assert {y for _, y in drawn} == {(TOP + BOTTOM) / 2}


def test_non_finite_values_leave_a_gap():
    [line] = line_chart("loss", {"loss": ([0, 1, 2], [1.0, np.nan, 2.0])}).lines
    assert line.path.count("M") == 2


def test_nothing_is_drawn_outside_a_given_range():
    [line] = line_chart("share", {"share": ([0, 1, 2], [0.0, 9.0, 1.0])}, y_range=(0, 1)).lines
    assert min(y for _, y in points(line.path)) == TOP


def test_the_curve_of_a_channel_shows_the_applied_curve():
    photo = data.astronaut()
    darker = (photo * [1.0, 0.5, 0.25]).astype(np.uint8)
    curves = median_curves([sample(photo)], [sample(darker)])
    for channel, factor in (("Red", 1.0), ("Green", 0.5), ("Blue", 0.25)):
        levels, medians = curves[channel]
        assert medians == pytest.approx(levels * factor, abs=4)


def test_a_histogram_holds_all_pixels():
    for _, shares in histograms([sample(data.astronaut()), sample(data.coffee())]).values():
        assert shares.sum() == pytest.approx(100)


def test_a_table_marks_the_best_and_says_better_only_where_the_interval_does():
    def interval(mean: float, low: float | None, high: float | None) -> Interval:
        return {"mean": mean, "low": low, "high": high, "n": 9}

    table = score_table(
        {
            "untouched": {"noise": interval(2, 1, 3), "psnr": interval(20, 19, 21)},
            "histogram_match": {"noise": interval(1, 1, 1), "psnr": interval(22, 21, 23)},
            "enhanced": {
                "noise": interval(3, 2, 4),
                "psnr": interval(21, 20, 22),
                "colour_distance": interval(1, None, None),
                "sharpness": interval(1, None, None),
            },
            "change": {"noise": interval(1, 0.5, 1.5), "psnr": interval(1, -0.5, 2)},
        }
    )
    rows = {row.name: row.cells for _, found in table.groups for row in found}
    assert [column.name for column in table.columns[:3]] == ["Untouched", "Enhanced", "Change from untouched"]
    assert [cell.best for cell in rows["noise"]] == [False, False, False, True]
    assert [cell.best for cell in rows["psnr"]] == [False, False, False, True]
    assert (rows["noise"][2].answer, rows["psnr"][2].answer) == ("worse", "")
    assert [cell.mean for cell in rows["sharpness"]] == ["–", "1.00", "–", "–"]
    assert (rows["sharpness"][1].interval, rows["colour_distance"][1].interval) == ("n too small", "")


def test_numbers_are_formatted():
    assert number(-1.236, 2, True) == "−1.24"
    assert number(-0.0001, 2) == "0.00"
    assert number(float("inf")) == "∞"
    assert number(None) == "–"
    assert (size(12_345), size(3_400_000)) == ("12 kB", "3.4 MB")
