"""Splits: by content, stable, and never empty without need."""

from collections import Counter

import pytest

from pipeline.patches.splits import Split, assign_splits


def ids(count: int) -> list[str]:
    return [f"{number:032x}" for number in range(count)]


def test_shares_are_kept_and_no_photo_moves():
    """Protects: honest scores. A photo trained on never becomes a test photo later."""
    small, large = assign_splits(ids(500), Split()), assign_splits(ids(5000), Split())
    assert all(large[id] == split for id, split in small.items())
    counts = Counter(large.values())
    assert 400 < counts["test"] < 600
    assert 400 < counts["validation"] < 600


def test_order_does_not_matter():
    assert assign_splits(ids(7)[::-1], Split()) == assign_splits(ids(7), Split())


@pytest.mark.parametrize("count", range(8))
@pytest.mark.parametrize("split", [Split(), Split(validation=0.45, test=0.45), Split(validation=0, test=0.1)])
def test_small_sets_fill_every_split(count, split):
    """Protects: a demo of five photos has something to learn from, first, and something to be judged on."""
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
