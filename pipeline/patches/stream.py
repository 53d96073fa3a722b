"""Endless, shuffled streams of patches, by Ray Data: one pass serves a whole run.

A stream is a sequence of windows. Window w reads GROUPS_PER_WINDOW row groups from a permutation of the set
that is new every epoch, shuffles their rows together, flips and turns each at random, and hands them on. A
paired stream does the very same to each patch and its truth. All of it follows from (seed, stream name,
window), so a stream can start at any row without having read the rows before. One pass covers the run,
because every pass of Ray Data costs seconds before its first batch.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import ray
import torch
from ray.data import DataIterator, Dataset

from pipeline.errors import ShardError
from pipeline.patches.shards import CHANNELS, PIXELS, TRUTH, Index, binary, pixels_nhwc, read_group
from pipeline.seeds import seed_of

GROUPS_PER_WINDOW = 32


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The endless sequence of one split's patches. Small: it travels to every task."""

    name: str
    folder: str
    size_px: int
    seed: int
    groups: tuple[tuple[str, int, int], ...]  # file, row group, rows
    pictures: tuple[str, ...] = (PIXELS,)  # the columns that are read and shuffled together

    def window_groups(self, window: int) -> list[tuple[str, int, int]]:
        """The row groups of a window, which may reach into the next epoch."""
        per_window = GROUPS_PER_WINDOW // len(self.pictures)  # pairs take no more memory
        places = range(window * per_window, (window + 1) * per_window)
        count = len(self.groups)
        return [
            self.groups[_order(self.seed, self.name, place // count, count)[place % count]]
            for place in places
        ]

    def window_rows(self, window: int) -> int:
        return sum(rows for _, _, rows in self.window_groups(window))

    def read(self, window: int) -> pa.Table:
        """One window's patches, shuffled, flipped and turned: a column for each of `pictures`."""
        groups = [
            read_group(Path(self.folder), file, group, self.pictures)
            for file, group, _ in self.window_groups(window)
        ]
        rng = np.random.default_rng(seed_of(self.seed, self.name, "window", window))
        count = sum(map(len, groups))
        order, turns = rng.permutation(count), rng.integers(0, 8, count)
        columns = {}
        for picture in self.pictures:
            patches = [patch for group in groups for patch in pixels_nhwc(group, self.size_px, picture)]
            columns[picture] = binary(_shuffled(patches, order, turns))
        return pa.table(columns)


@lru_cache(maxsize=8)
def _order(seed: int, name: str, epoch: int, count: int) -> list[int]:
    order = list(range(count))
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


def stream_of(index: Index, split: str, *, name: str, seed: int, paired: bool = False) -> Stream:
    """The stream of one split, with `paired` of patches and their truths.

    Raises: ShardError if it has no patch, or no truths where pairs are wanted.
    """
    if paired and not index.paired:
        raise ShardError(
            f"{index.folder} has no truth beside its patches, which a paired method learns from: give the "
            "camera's photos `truth` or `simulated_camera` in params.yaml, or choose an unpaired method"
        )
    groups = tuple(
        (shard.file, group, rows)
        for shard in index.splits.get(split, ())
        for group, rows in enumerate(shard.groups)
    )
    if not groups:
        raise ShardError(
            f"{index.folder} has no {split} patches; add photos, or lower the other shares of the split"
        )
    return Stream(
        name=name,
        folder=str(index.folder.resolve()),
        size_px=index.size_px,
        seed=seed,
        groups=groups,
        pictures=(PIXELS, TRUTH) if paired else (PIXELS,),
    )


def dataset(stream: Stream, *, first_row: int, rows: int, workers: int = 1) -> Dataset:
    """Rows `first_row` to `first_row + rows` of the stream at least, for `workers` equal shares.

    The rows before `first_row` in its window are dropped, so that the dataset begins exactly there.
    """
    start, skipped = 0, first_row
    while skipped >= (inside := stream.window_rows(start)):
        start, skipped = start + 1, skipped - inside
    end, available = start, -skipped
    # An equal split may hold back up to a block per worker.
    while available < rows or end - start < workers + 1:
        available, end = available + stream.window_rows(end), end + 1
    windows = ray.data.range(end - start, override_num_blocks=end - start)
    return windows.map_batches(
        _read_window,  # type: ignore[arg-type]
        fn_kwargs={"stream": stream, "start": start, "skipped": skipped},
        batch_size=1,
        zero_copy_batch=True,
        udf_modifying_row_count=True,
    )


def _read_window(batch: dict[str, np.ndarray], stream: Stream, start: int, skipped: int) -> pa.Table:
    number = int(batch["id"][0])
    table = stream.read(start + number)
    return table.slice(skipped) if number == 0 else table


def batches(iterator: DataIterator, *, batch_size: int, size_px: int) -> Iterator[tuple[torch.Tensor, ...]]:
    """uint8 patches_nhwc tensors of exactly `batch_size`, prefetched; one for each picture of the stream."""
    tables: Iterable[pa.Table] = iterator.iter_batches(  # type: ignore[assignment]
        batch_size=batch_size, batch_format="pyarrow", prefetch_batches=4, drop_last=True
    )
    for table in tables:
        yield tuple(_tensor(pixels_nhwc(table, size_px, picture)) for picture in table.column_names)


def _tensor(patches_nhwc: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(patches_nhwc if patches_nhwc.flags.writeable else patches_nhwc.copy())
