"""Assigns photos to the splits: train, validation and test."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from pipeline.patches.settings import Split, SplitName
from pipeline.seeds import seed_of

TOLERANCE = 0.02  # allowed deviation of a split's share, as a share of the set; keeps photos from moving


def assign_splits(ids: Iterable[str], split: Split) -> dict[str, SplitName]:
    """Assign splits by a hash of each photo's id, and correct small sets so that the shares hold.

    With the hash alone, a photo would never change its split when others are added, but in a set of six
    photos, one split might get five. Therefore photos are sorted by hash: the first go to test, the next to
    validation and the rest to train. The boundaries are where the hashes reach the shares, if the size of
    each split then differs from its share by at most half a photo, or by TOLERANCE in a large set; otherwise
    they move by as little as possible. When a set grows, only photos near a boundary change their split: none
    in sets of thousands; in sets of tens about one for every second new photo, mostly between validation and
    train. Train always has a photo, and test has one if there are at least two.
    """
    ordered = sorted(set(ids), key=_place)
    test, validation = _sizes([_place(id) for id in ordered], split)
    sizes: dict[SplitName, int] = {"test": test, "validation": validation}
    sizes["train"] = len(ordered) - test - validation
    names = [name for name, size in sizes.items() for _ in range(size)]
    return dict(zip(ordered, names, strict=True))


def _sizes(places: Sequence[float], split: Split) -> tuple[int, int]:
    """Return the sizes of test and validation; places: sorted hashes, 0–1."""
    count = len(places)
    test_by_hash = bisect_left(places, split.test)
    validation_by_hash = bisect_left(places, split.test + split.validation) - test_by_hash
    test = _near(test_by_hash, split.test, count)
    test = min(max(test, count >= 2 and split.test > 0), max(count - 1, 0))
    validation = _near(validation_by_hash, split.validation, count)
    validation = max(validation, count >= 3 and split.validation > 0)
    return test, min(validation, max(count - 1 - test, 0))


def _near(size: int, share: float, count: int) -> int:
    """Return the size nearest to `size` that keeps the share within the tolerance."""
    slack = max(0.5, TOLERANCE * count)
    return min(max(size, math.ceil(share * count - slack)), math.floor(share * count + slack))


def _place(id: str) -> float:
    """Return a hash of the id as a number, 0–1."""
    return seed_of("split", id) / 2**63
