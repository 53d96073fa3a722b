"""Fractions and intervals are the known ones, label by label, whichever side the photos stood on."""

import json

import pytest

from pipeline.research.study.answers import read_answers
from pipeline.research.study.preferences import count_preferences, table, wilson, write_preferences


def test_wilson_intervals_are_the_published_ones() -> None:
    # Newcombe 1998, table I, method 3.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson(29, 29) == pytest.approx((0.8830, 1), abs=5e-5)


@pytest.fixture
def mixed(study, export):
    """Three participants: one always prefers after, one before, one has a taste for cats only."""
    likes = [lambda name: "after", lambda name: "before", lambda name: "after" if "cat" in name else ""]
    return count_preferences(study, read_answers([export(i, like) for i, like in enumerate(likes)], study))


def test_shares_are_counted_by_label_overall_and_pair_by_pair(mixed) -> None:
    counts = {label: share.count for label, share in mixed.overall.items()}
    assert counts == {"before": 4, "after": 5, "no preference": 3}
    assert mixed.overall["after"].fraction == pytest.approx(5 / 12)
    assert (mixed.overall["after"].low, mixed.overall["after"].high) == wilson(5, 12)
    cat = {label: share.count for label, share in mixed.pairs["walk/cat"].items()}
    assert cat == {"before": 1, "after": 2, "no preference": 0}


def test_the_interval_over_participants_knows_that_their_answers_go_together(mixed, study, export) -> None:
    between, share = mixed.between_participants["before"], mixed.overall["before"]
    assert between["mean"] == pytest.approx(share.fraction)
    assert between["high"] - between["low"] > share.high - share.low  # one likes all, two like none
    alone = count_preferences(study, read_answers([export(1)], study))
    assert alone.between_participants == {}


def test_metrics_carry_the_wider_interval(mixed, study, export) -> None:
    metrics = mixed.metrics()
    assert metrics["study/walk/participants"] == 3
    assert metrics["study/walk/before"] == pytest.approx(4 / 12)
    assert metrics["study/walk/before.high"] == mixed.between_participants["before"]["high"]
    # Two who agree in everything: their bootstrap has no width at all.
    agreed = count_preferences(study, read_answers([export(1), export(2)], study))
    assert agreed.between_participants["after"]["low"] == 1
    assert agreed.metrics()["study/walk/after.low"] == wilson(8, 8)[0]


def test_the_table_has_a_line_per_pair_and_the_total(mixed) -> None:
    header, *lines = table(mixed).splitlines()
    assert header.split() == ["before", "after", "no", "preference"]
    assert [line.split()[0] for line in lines] == [*mixed.pairs, "overall", "over"]
    assert "42% [19%, 68%]" in lines[-2]
    assert len({len(line) for line in [header, *lines]}) == 1


def test_the_file_holds_all_of_it(mixed, tmp_path) -> None:
    write_preferences(tmp_path / "walk.json", mixed)
    content = json.loads((tmp_path / "walk.json").read_bytes())
    assert content["labels"] == ["before", "after"]
    assert content["overall"]["after"]["count"] == 5
    assert content["pairs"]["walk/cat"]["after"]["fraction"] == pytest.approx(2 / 3)
