"""Splits: by content, stable, and never empty without need."""

from collections import Counter

import pytest

from pipeline.patches.splits import Split, assign_splits


def ids(count: int) -> list[str]:
    return [f"{number:032x}" for number in range(count)]


@pytest.mark.parametrize("count", [5, 6, 10, 25, 50, 100, 1000])
@pytest.mark.parametrize("split", [Split(), Split(validation=0, test=0.5), Split(validation=0.2, test=0.31)])
@pytest.mark.parametrize("set_number", range(5))
def test_shares_hold_to_a_photo_or_two_percent(count, split, set_number):
    """Protects: with six photos and test 0.5, three are for training, whatever their hashes."""
    members = [f"{set_number}-{id}" for id in ids(count)]
    counts = Counter(assign_splits(members, split).values())
    slack = max(1, 0.02 * count)
    assert abs(counts["test"] - split.test * count) <= slack
    assert abs(counts["validation"] - split.validation * count) <= slack
    assert abs(counts["train"] - (1 - split.test - split.validation) * count) <= 2 * slack


def test_six_photos_at_a_half_are_three_and_three():
    for set_number in range(20):
        members = [f"{set_number}-{id}" for id in ids(6)]
        assert Counter(assign_splits(members, Split(validation=0, test=0.5)).values()) == {
            "test": 3,
            "train": 3,
        }


def test_a_growing_set_moves_few_photos_and_a_large_one_none():
    """Protects: honest scores. Training photos hardly ever become test photos later."""
    members = [f"{seed}" for seed in ids(3000)]
    assert moves(members[:100], members[:200]) <= 4
    assert moves(members[:500], members[:1000]) <= 5
    assert moves(members[:2000], members) == 0
    leaks = sum(moves(members[:n], members[: n + 1], "train", "test") for n in range(5, 100))
    assert leaks == 0, "validation lies between them: a photo would have to move twice at once"
    total = sum(moves(members[:count], members[: count + 1]) for count in range(5, 100))
    assert total <= 60, "most of them between validation and training, while the set is tiny"


def moves(before: list[str], after: list[str], source: str = "", destination: str = "") -> int:
    old, new = assign_splits(before, Split()), assign_splits(after, Split())
    changes = Counter((old[id], new[id]) for id in old if old[id] != new[id])
    return changes[source, destination] if source else changes.total()


def test_order_does_not_matter():
    assert assign_splits(ids(7)[::-1], Split()) == assign_splits(ids(7), Split())


@pytest.mark.parametrize("count", range(8))
@pytest.mark.parametrize("split", [Split(), Split(validation=0.45, test=0.45), Split(validation=0, test=0.1)])
def test_small_sets_fill_every_split(count, split):
    """Protects: a demo of five photos has photos for training and for testing."""
    counts = Counter(assign_splits(ids(count), split).values())
    assert counts["train"] >= min(count, 1)
    assert counts["test"] >= (count >= 2)
    if split.validation:
        assert counts["validation"] >= (count >= 3 and counts["train"] > 1)
    else:
        assert counts["validation"] == 0


def test_no_share_means_none():
    assert set(assign_splits(ids(5), Split(validation=0, test=0)).values()) == {"train"}


@pytest.mark.parametrize("shares", [(-0.1, 0.1), (0.5, 0.5)])
def test_impossible_shares_are_refused(shares):
    with pytest.raises(ValueError, match="validation and test"):
        Split(validation=shares[0], test=shares[1])
