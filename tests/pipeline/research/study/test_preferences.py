"""Fractions and intervals are the known ones, label by label, whichever side the photos stood on."""

import json

import pytest

from pipeline.research.study.answers import read_answers
from pipeline.research.study.preferences import count_preferences, table, write_preferences
from wespe.metrics.interval import share_interval


@pytest.fixture
def mixed(study, export):
    """Three participants: one always prefers after, one before, one has a taste for cats only."""
    likes = [lambda name: "after", lambda name: "before", lambda name: "after" if "cat" in name else ""]
    return count_preferences(study, read_answers([export(i, like) for i, like in enumerate(likes)], study))


def test_shares_are_counted_by_label_overall_and_pair_by_pair(mixed) -> None:
    counts = {label: share.count for label, share in mixed.overall.items()}
    assert counts == {"before": 4, "after": 5, "no preference": 3}
    assert mixed.overall["after"].fraction == pytest.approx(5 / 12)
    assert (mixed.overall["after"].low, mixed.overall["after"].high) == share_interval(5, 12)
    cat = {label: share.count for label, share in mixed.pairs["walk/cat"].items()}
    assert cat == {"before": 1, "after": 2, "no preference": 0}


@pytest.fixture
def six(study, export):
    """Six participants, half of whom always prefer after, half before."""
    likes = [lambda name: "after", lambda name: "before"] * 3
    return count_preferences(study, read_answers([export(i, like) for i, like in enumerate(likes)], study))


def test_the_interval_between_participants_respects_dependent_answers(six, mixed) -> None:
    between, share = six.between_participants["before"], six.overall["before"]
    assert between.fraction == pytest.approx(share.fraction)
    assert between.high - between.low > share.high - share.low
    assert mixed.between_participants == {}  # three people are too few for an interval


def test_metrics_carry_the_wider_interval(six, mixed) -> None:
    metrics = mixed.metrics()
    assert metrics["study/walk/participants"] == 3
    assert metrics["study/walk/before"] == pytest.approx(4 / 12)
    assert metrics["study/walk/before.high"] == share_interval(4, 12)[1]
    assert six.metrics()["study/walk/before.high"] == six.between_participants["before"].high


def test_the_table_has_a_line_per_pair_and_the_total(mixed) -> None:
    header, *lines = table(mixed).splitlines()
    assert header.split() == ["before", "after", "no", "preference"]
    assert [line.split()[0] for line in lines] == [*mixed.pairs, "overall"]
    assert "42% [19%, 68%]" in lines[-1]
    assert len({len(line) for line in [header, *lines]}) == 1


def test_the_file_contains_all_results(mixed, tmp_path) -> None:
    write_preferences(tmp_path / "walk.json", mixed)
    content = json.loads((tmp_path / "walk.json").read_bytes())
    assert content["labels"] == ["before", "after"]
    assert content["overall"]["after"]["count"] == 5
    assert content["pairs"]["walk/cat"]["after"]["fraction"] == pytest.approx(2 / 3)
