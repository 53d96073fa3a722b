"""Endless, shuffled streams of patches, by Ray Data: one pass serves a whole run.

A stream is a sequence of windows. Window w reads GROUPS_PER_WINDOW row groups from a permutation of the set
that is new every epoch, shuffles their rows together, flips and turns each at random, and hands them on. All
of it follows from (seed, stream name, window), so a stream can start at any row without having read the rows
before. One pass covers the run, because every pass of Ray Data costs seconds before its first batch.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import ray
import torch
from ray.data import DataIterator, Dataset

from pipeline.data.shards import Index, pixels_nhwc, read_group
from pipeline.errors import ShardError
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

    def window_groups(self, window: int) -> list[tuple[str, int, int]]:
        """The row groups of a window, which may reach into the next epoch."""
        places = range(window * GROUPS_PER_WINDOW, (window + 1) * GROUPS_PER_WINDOW)
        count = len(self.groups)
        return [
            self.groups[_order(self.seed, self.name, place // count, count)[place % count]]
            for place in places
        ]

    def window_rows(self, window: int) -> int:
        return sum(rows for _, _, rows in self.window_groups(window))

    def read(self, window: int) -> pa.Table:
        """One window's patches, shuffled, flipped and turned."""
        groups = [read_group(Path(self.folder), file, group) for file, group, _ in self.window_groups(window)]
        patches = pixels_nhwc(pa.concat_tables(groups), self.size_px)
        rng = np.random.default_rng(seed_of(self.seed, self.name, "window", window))
        order, turns = rng.permutation(len(patches)), rng.integers(0, 8, len(patches))
        turned = np.empty_like(patches)
        for turn in range(8):
            chosen = turns == turn
            turned[chosen] = _turn(patches[order[chosen]], turn)
        kind = pa.binary(patches[0].nbytes)
        return pa.table(
            {"pixels": pa.FixedSizeBinaryArray.from_buffers(kind, len(turned), [None, pa.py_buffer(turned)])}
        )


@lru_cache(maxsize=8)
def _order(seed: int, name: str, epoch: int, count: int) -> list[int]:
    order = list(range(count))
    random.Random(seed_of(seed, name, "epoch", epoch)).shuffle(order)
    return order


def _turn(patches_nhwc: np.ndarray, turn: int) -> np.ndarray:
    """One of the eight symmetries of the square: quarter turns, with and without a mirror."""
    turned = np.rot90(patches_nhwc, turn % 4, axes=(1, 2))
    return turned[:, :, ::-1] if turn >= 4 else turned


def stream_of(index: Index, split: str, *, name: str, seed: int) -> Stream:
    """The stream of one split. Raises ShardError if it has no patch."""
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
        name=name, folder=str(index.folder.resolve()), size_px=index.size_px, seed=seed, groups=groups
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


def batches(iterator: DataIterator, *, batch_size: int, size_px: int) -> Iterator[torch.Tensor]:
    """uint8 patches_nhwc tensors of exactly `batch_size`, prefetched."""
    tables = iterator.iter_batches(
        batch_size=batch_size, batch_format="pyarrow", prefetch_batches=4, drop_last=True
    )
    for table in tables:
        patches = pixels_nhwc(table, size_px)
        yield torch.from_numpy(patches if patches.flags.writeable else patches.copy())
