"""Shards of patches that a test has in memory."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from pipeline.patches.settings import Patches
from pipeline.patches.shards import Index, shard_rows, write_index, write_shard


def write_shards(
    folder: Path, settings: Patches, tables: Mapping[str, Iterable[pa.Table]], *, paired: bool = False
) -> Index:
    """Write the tables of all splits in order, then the index. `folder` must be new or empty.

    paired: whether the tables contain truths.
    """
    rows = shard_rows(settings.size_px, paired=paired)
    splits = {
        split: [
            write_shard(folder, f"{split}/{number:05d}.parquet", settings, chunk)
            for number, chunk in enumerate(_rechunk(some, rows))
        ]
        for split, some in tables.items()
    }
    return write_index(folder, settings, splits, paired=paired)


def _rechunk(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    count = 0
    for table in tables:
        waiting.append(table)
        count += len(table)
        while count >= rows:
            joined = pa.concat_tables(waiting)
            yield joined.slice(0, rows)
            waiting, count = [joined.slice(rows)], count - rows
    if count:
        yield pa.concat_tables(waiting)
