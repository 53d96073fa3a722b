"""METRICS is complete: every row can be computed, explained and read in one direction."""

import inspect

import pytest

from wespe.metrics.table import METRICS, Metric

MEASURED_ELSEWHERE = {"tile_difference", "megapixels_per_s"}  # while evaluation enhances
LEARNED = {"lpips", "niqe_target", "brisque", "cornia", "ffs", "ffs_accuracy", "probe"}
ARGUMENTS = {"nothing": 1, "truth": 2, "source": 2, "target": 2}


@pytest.mark.parametrize(("name", "metric"), METRICS.items())
def test_every_row_says_what_it_is_and_takes_what_its_comparison_gives(name: str, metric: Metric) -> None:
    assert metric.sentence.endswith(".")
    assert metric.label
    if metric.score is None:
        assert name in MEASURED_ELSEWHERE | LEARNED
        return
    needed = [one for one in inspect.signature(metric.score).parameters.values() if one.default is one.empty]
    assert len(needed) == (1 if metric.pools else ARGUMENTS[metric.against])
    assert bool(metric.features) == (metric.against == "target" and name not in LEARNED)


def test_labels_are_not_used_twice() -> None:
    labels = [metric.label for metric in METRICS.values()]
    assert len(labels) == len(set(labels))


def test_what_decides_has_a_direction() -> None:
    assert METRICS["psnr"].better == "higher"
    assert METRICS["colour_distance"].better == "lower"
