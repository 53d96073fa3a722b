"""Endless, shuffled streams of patches: one order, whether the patches lie in shards or in memory.

A stream is a sequence of windows. Window w reads GROUPS_PER_WINDOW groups from a permutation of the set that
is new every epoch, shuffles their rows together, and flips and turns each at random. A paired stream does the
same to each patch and its truth. All of it follows from (seed, stream name, window), so a stream can start at
any row without having read the rows before.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count

import numpy as np

from pipeline.errors import ShardError
from pipeline.patches.groups import Groups, Pictures, ShardGroups
from pipeline.patches.shards import CHANNELS, Index
from pipeline.seeds import seed_of

GROUPS_PER_WINDOW = 32


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The endless sequence of the patches of `groups`."""

    name: str
    seed: int
    groups: Groups

    def window_groups(self, window: int) -> list[int]:
        """The groups of a window, which may reach into the next epoch."""
        per_window = GROUPS_PER_WINDOW // self.groups.columns  # pairs take no more memory
        places = range(window * per_window, (window + 1) * per_window)
        total = len(self.groups.rows)
        return [_order(self.seed, self.name, place // total, total)[place % total] for place in places]

    def window_rows(self, window: int) -> int:
        return sum(self.groups.rows[group] for group in self.window_groups(window))

    def read(self, window: int) -> Pictures:
        """One window's patches, shuffled, flipped and turned."""
        groups = [self.groups.read(group) for group in self.window_groups(window)]
        rng = np.random.default_rng(seed_of(self.seed, self.name, "window", window))
        rows = sum(len(pictures[0]) for pictures in groups)
        order, turns = rng.permutation(rows), rng.integers(0, 8, rows)
        return tuple(
            _shuffled([patch for patches in column for patch in patches], order, turns)
            for column in zip(*groups, strict=True)
        )

    def locate(self, row: int) -> tuple[int, int]:
        """The window that holds this row, and how many rows of it come before."""
        window, before = 0, row
        while before >= (inside := self.window_rows(window)):
            window, before = window + 1, before - inside
        return window, before

    def batches(self, first_row: int, size: int) -> Iterator[Pictures]:
        """Batches of exactly `size` rows, without end, read in this process."""
        start, skipped = self.locate(first_row)
        waiting: Pictures | None = None
        for window in count(start):
            pictures = self.read(window)
            if waiting is None:
                waiting = tuple(one[skipped:] for one in pictures)
            else:
                waiting = tuple(map(np.concatenate, zip(waiting, pictures, strict=True)))
            while len(waiting[0]) >= size:
                yield tuple(one[:size] for one in waiting)
                waiting = tuple(one[size:] for one in waiting)


def stream_of(index: Index, split: str, *, name: str, seed: int, paired: bool = False) -> Stream:
    """The stream of one split of shards, with `paired` of patches and their truths.

    Raises: ShardError if it has no patch, or no truths where pairs are wanted.
    """
    if paired and not index.paired:
        raise ShardError(
            f"{index.folder} has no truth beside its patches, which a paired method learns from: give the "
            "camera's photos `truth` or `simulated_camera` in params.yaml, or choose an unpaired method"
        )
    groups = ShardGroups.of(index, split, paired=paired)
    if not groups.places:
        raise ShardError(
            f"{index.folder} has no {split} patches; add photos, or lower the other shares of the split"
        )
    return Stream(name=name, seed=seed, groups=groups)


@lru_cache(maxsize=8)
def _order(seed: int, name: str, epoch: int, total: int) -> list[int]:
    order = list(range(total))
    random.Random(seed_of(seed, name, "epoch", epoch)).shuffle(order)
    return order


def _shuffled(patches: Sequence[np.ndarray], order: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """patches_nhwc: patch `order[i]` in place i, turned by `turns[i]`, copied once."""
    shuffled = np.empty((len(patches), *patches[0].shape), np.uint8)
    for place_hwc, number, turn in zip(shuffled, order, turns, strict=True):
        turned_hwc = _turn(patches[number], turn)
        for channel in range(CHANNELS):  # numpy copies a plane of bytes twice as fast as pixels of three
            place_hwc[..., channel] = turned_hwc[..., channel]
    return shuffled


def _turn(patch_hwc: np.ndarray, turn: int) -> np.ndarray:
    """One of the eight symmetries of the square: quarter turns, with and without a mirror; a view."""
    turned = np.rot90(patch_hwc, turn % 4)
    return turned[:, ::-1] if turn >= 4 else turned
