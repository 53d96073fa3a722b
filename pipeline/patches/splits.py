"""Which photos are for training, and which are held out for evaluation."""

from collections.abc import Iterable

from pipeline.patches.settings import Split, SplitName
from pipeline.seeds import seed_of


def assign_splits(ids: Iterable[str], split: Split) -> dict[str, SplitName]:
    """Place each photo by a hash of its id, so that it stays where it is when others are added.

    A small set may leave a split empty by chance. Then, and only then, the photo with the lowest hash fills
    it (test first), if another remains to learn from; that one may move when the set grows.
    """
    ordered = sorted(set(ids), key=_place)
    splits = {id: _by_share(_place(id), split) for id in ordered}
    if ordered and "train" not in splits.values():
        splits[ordered[-1]] = "train"
    held_out: tuple[tuple[SplitName, float], ...] = (("test", split.test), ("validation", split.validation))
    for name, share in held_out:
        train = [id for id in ordered if splits[id] == "train"]
        if share > 0 and name not in splits.values() and len(train) > 1:
            splits[train[0]] = name
    return splits


def _place(id: str) -> float:
    """A number in 0–1 that depends on the id alone."""
    return seed_of("split", id) / 2**63


def _by_share(place: float, split: Split) -> SplitName:
    if place < split.test:
        return "test"
    return "validation" if place < split.test + split.validation else "train"
