"""Endless, shuffled streams of patches, in the same order from shards and from memory.

A stream is a sequence of windows. Each window reads GROUPS_PER_WINDOW groups, in an order that changes every
epoch, shuffles their rows, and mirrors and rotates each patch at random. Paired streams apply the same to
each patch and its truth. Everything depends only on (seed, stream name, window), so a stream can start at any
row without reading the rows before it.
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
MIRRORED = 4  # the bit of a symmetry's number, 0–7, that says so


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The endless sequence of the patches of `groups`.

    rotates: whether patches are also rotated, not only mirrored: whole photos have the sky at the top.
    """

    name: str
    seed: int
    groups: Groups
    rotates: bool = True

    def window_groups(self, window: int) -> list[int]:
        """Return the groups of a window, which may extend into the next epoch."""
        per_window = GROUPS_PER_WINDOW // self.groups.columns  # so that pairs need no more memory
        places = range(window * per_window, (window + 1) * per_window)
        total = len(self.groups.rows)
        return [_order(self.seed, self.name, place // total, total)[place % total] for place in places]

    def window_rows(self, window: int) -> int:
        return sum(self.groups.rows[group] for group in self.window_groups(window))

    def read(self, window: int) -> Pictures:
        """Read the patches of one window, shuffled, mirrored and rotated."""
        groups = [self.groups.read(group) for group in self.window_groups(window)]
        rng = np.random.default_rng(seed_of(self.seed, self.name, "window", window))
        rows = sum(len(pictures[0]) for pictures in groups)
        order, symmetries = rng.permutation(rows), rng.integers(0, 8, rows)
        if not self.rotates:
            symmetries &= MIRRORED
        return tuple(
            _shuffled([patch for patches in column for patch in patches], order, symmetries)
            for column in zip(*groups, strict=True)
        )

    def locate(self, row: int) -> tuple[int, int]:
        """Return the window that contains this row, and the row's position in it."""
        window, before = 0, row
        while before >= (inside := self.window_rows(window)):
            window, before = window + 1, before - inside
        return window, before

    def batches(self, first_row: int, size: int) -> Iterator[Pictures]:
        """Yield batches of exactly `size` rows, endlessly, read in this process."""
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


def stream_of(
    index: Index, split: str, *, name: str, seed: int, paired: bool = False, rotates: bool = True
) -> Stream:
    """Return the stream of one split of shards; with `paired`, of patches and their truths.

    Raises: ShardError if there are no patches, or no truths although `paired`.
    """
    if paired and not index.paired:
        raise ShardError(
            f"{index.folder} has patches without truths, which a paired method needs: give the camera's "
            "photos `truth` or `simulated_camera` in params.yaml, or choose an unpaired method"
        )
    groups = ShardGroups.of(index, split, paired=paired)
    if not groups.places:
        raise ShardError(
            f"{index.folder} has no {split} patches; add photos, or lower the shares of the other splits"
        )
    return Stream(name=name, seed=seed, groups=groups, rotates=rotates)


@lru_cache(maxsize=8)
def _order(seed: int, name: str, epoch: int, total: int) -> list[int]:
    order = list(range(total))
    random.Random(seed_of(seed, name, "epoch", epoch)).shuffle(order)
    return order


def _shuffled(patches: Sequence[np.ndarray], order: np.ndarray, symmetries: np.ndarray) -> np.ndarray:
    """Return patches_nhwc with patch `order[i]` at index i, transformed by `symmetries[i]`; copies once."""
    shuffled = np.empty((len(patches), *patches[0].shape), np.uint8)
    for place_hwc, number, symmetry in zip(shuffled, order, symmetries, strict=True):
        transformed_hwc = _transform(patches[number], symmetry)
        for channel in range(CHANNELS):  # numpy copies channel by channel twice as fast
            place_hwc[..., channel] = transformed_hwc[..., channel]
    return shuffled


def _transform(patch_hwc: np.ndarray, symmetry: int) -> np.ndarray:
    """Apply one of the eight symmetries of the square: rotation by 90°, with or without mirroring; a view."""
    rotated = np.rot90(patch_hwc, symmetry % 4)
    return rotated[:, ::-1] if symmetry & MIRRORED else rotated
