"""Which photos are for training, and which are held out for evaluation."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from pipeline.patches.settings import Split, SplitName
from pipeline.seeds import seed_of

TOLERANCE = 0.02  # of the set: how far a split's size may be from its share, so that fewer photos move


def assign_splits(ids: Iterable[str], split: Split) -> dict[str, SplitName]:
    """Place each photo by a hash of its id, and move the fewest photos that keep the shares.

    By the hash alone a photo would never move when others are added, but of six photos one split might get
    five. So photos are ranked by their hash: the first are for test, the next for validation, the rest for
    training. The ranks are cut where the hashes say, as long as the size of a split differs from its share by
    at most half a photo, or TOLERANCE of a large set; else at the nearest rank that keeps the share. A photo
    keeps its split as the set grows unless its hash lies near a cut: in sets of thousands none moves, in sets
    of tens about every second new photo moves one other, mostly between validation and training.
    Training always has a photo, and test one as soon as there are two.
    """
    ordered = sorted(set(ids), key=_place)
    test, validation = _sizes([_place(id) for id in ordered], split)
    sizes: dict[SplitName, int] = {"test": test, "validation": validation}
    sizes["train"] = len(ordered) - test - validation
    names = [name for name, size in sizes.items() for _ in range(size)]
    return dict(zip(ordered, names, strict=True))


def _sizes(places: Sequence[float], split: Split) -> tuple[int, int]:
    """How many of the sorted places, 0–1, are for test, and how many for validation."""
    count = len(places)
    test_by_hash = bisect_left(places, split.test)
    validation_by_hash = bisect_left(places, split.test + split.validation) - test_by_hash
    test = _near(test_by_hash, split.test, count)
    test = min(max(test, count >= 2 and split.test > 0), max(count - 1, 0))
    validation = _near(validation_by_hash, split.validation, count)
    validation = max(validation, count >= 3 and split.validation > 0)
    return test, min(validation, max(count - 1 - test, 0))


def _near(size: int, share: float, count: int) -> int:
    """The size nearest to this one that keeps the share."""
    slack = max(0.5, TOLERANCE * count)
    return min(max(size, math.ceil(share * count - slack)), math.floor(share * count + slack))


def _place(id: str) -> float:
    """A number in 0–1 that depends on the id alone."""
    return seed_of("split", id) / 2**63
