"""Patches in Parquet files: one row per patch, pixels as fixed-size binary, and an index written last.

If all photos have truths, each row also contains the patch of the truth at the same position. Parquet stores
columns separately, so readers that only need the pixels skip it.

    patches/index.json             settings; rows, bytes and sha256 of each shard
    patches/whole/…                the same for whole photos, reduced to squares: a shard of the photos that
                                   begin in each shard of patches
    patches/train/00000.parquet    about SHARD_BYTES of pixels per file, at most GROUP_BYTES per row group;
                                   in a store, under the name of its sha256

Fixed-size binary is read without a copy (one buffer of n·size·size·3 bytes), unlike tensor columns and lists
of bytes. zstd-1 saved 28 % on the demo photos; one thread still reads 28,000 patches of 100 px per second,
over three times the speed of a whole stream. PNG is another fifth smaller, but eleven times slower to read;
`make bench` compares the alternatives. A row group is the unit of reading, and has about 2 MB, so that a
shuffle window can mix many parts of the set.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import store
from pipeline.errors import ShardError
from pipeline.files import write_atomically
from pipeline.layout import INDEX
from pipeline.patches.settings import Patches

FORMAT = 1
GROUP_ROWS, GROUP_BYTES = 64, 2 * 2**20
SHARD_BYTES = 32 * 2**20
CHANNELS = 3
WHOLE = "whole"
PHOTO_ID, PIXELS, TRUTH = "photo_id", "pixels", "truth"


def group_rows(size_px: int) -> int:
    """Return the rows of a full row group. It depends on one column's bytes: columns are read separately."""
    return max(1, min(GROUP_ROWS, GROUP_BYTES // (size_px**2 * CHANNELS)))


def schema(size_px: int, *pictures: str) -> pa.Schema:
    """Return the schema: photo_id, y, x, and a column of pixels (HWC uint8 sRGB) for each of `pictures`."""
    kind = pa.binary(size_px * size_px * CHANNELS)
    return pa.schema(
        [
            pa.field(PHOTO_ID, pa.string(), nullable=False),
            pa.field("y", pa.int32(), nullable=False),
            pa.field("x", pa.int32(), nullable=False),
            *(pa.field(name, kind, nullable=False) for name in pictures),
        ]
    )


@dataclass(frozen=True)
class Shard:
    """One file of a split, as listed in the index."""

    file: str
    rows: int
    group_rows: int
    bytes: int
    sha256: str

    def place(self, folder: Path) -> str:
        """Return where the shard of the patches in `folder` lies."""
        return store.place(folder / self.file, f"shards/{self.sha256}.parquet")

    @property
    def groups(self) -> list[int]:
        """Rows of each row group."""
        full, rest = divmod(self.rows, self.group_rows)
        return [self.group_rows] * full + [rest] * (rest > 0)


@dataclass(frozen=True)
class Index:
    """The content of a patches folder. `digest` changes if any patch changes."""

    folder: Path
    size_px: int
    splits: Mapping[str, tuple[Shard, ...]]
    digest: str
    paired: bool = False  # every patch has its truth

    def rows(self, split: str) -> int:
        return sum(shard.rows for shard in self.splits.get(split, ()))

    @property
    def whole(self) -> "Index":
        """The whole photos of the same set, reduced to squares. Raises ShardError."""
        return read_index(self.folder / WHOLE)


def encode(
    photo_ids: list[str],
    places: list[tuple[int, int]],
    patches_nhwc: np.ndarray,
    truths_nhwc: np.ndarray | None = None,
) -> pa.Table:
    """Build a table of patches without copying pixels."""
    pictures = {PIXELS: patches_nhwc} | ({} if truths_nhwc is None else {TRUTH: truths_nhwc})
    ys, xs = zip(*places, strict=True)
    where = [pa.array(photo_ids), pa.array(ys, pa.int32()), pa.array(xs, pa.int32())]
    return pa.table(
        where + [binary(pixels) for pixels in pictures.values()],
        schema=schema(patches_nhwc.shape[1], *pictures),
    )


def binary(patches_nhwc: np.ndarray) -> pa.FixedSizeBinaryArray:
    """Build a column of patches, without copying contiguous ones."""
    kind = pa.binary(patches_nhwc[0].nbytes)
    buffer = pa.py_buffer(np.ascontiguousarray(patches_nhwc))
    return pa.FixedSizeBinaryArray.from_buffers(kind, len(patches_nhwc), [None, buffer])


def pixels_nhwc(table: pa.Table, size_px: int, picture: str = PIXELS) -> np.ndarray:
    """Return a table's patches as uint8 NHWC; a view of its buffer if the table has one chunk."""
    chunks = table[picture].chunks
    column = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
    row_bytes = size_px * size_px * CHANNELS
    buffer = column.buffers()[1]
    flat = np.frombuffer(buffer, np.uint8, len(column) * row_bytes, column.offset * row_bytes)
    return flat.reshape(len(column), size_px, size_px, CHANNELS)


def shard_rows(size_px: int, *, paired: bool = False) -> int:
    """Return the rows of a full shard, a multiple of those of a row group."""
    row_bytes = size_px**2 * CHANNELS * (2 if paired else 1)
    return max(1, SHARD_BYTES // row_bytes // group_rows(size_px)) * group_rows(size_px)


def write_shard(folder: Path, file: str, settings: Patches, table: pa.Table) -> Shard:
    """Write one shard: to `folder`, or to the store. Raises ShardError, StoreError."""
    metadata = {"wespe": json.dumps({"format": FORMAT, **asdict(settings)})}
    rows = group_rows(settings.size_px)
    buffer = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata(metadata),
        buffer,
        row_group_size=rows,
        compression="zstd",
        compression_level=1,
        use_dictionary=False,
        write_statistics=False,
    )
    data = buffer.getvalue()
    shard = Shard(file, len(table), rows, data.size, hashlib.sha256(data).hexdigest())
    try:
        store.write(shard.place(folder), data)
    except OSError as error:
        raise ShardError(
            f"{folder / file} cannot be written ({error.strerror}); free space on the disk or correct its"
            " permissions, and run the same command again"
        ) from None
    return shard


def write_index(
    folder: Path, settings: Patches, splits: Mapping[str, Sequence[Shard]], *, paired: bool = False
) -> Index:
    """Write the index of all splits' shards. The same patches give the same bytes."""
    index = {
        "format": FORMAT,
        "settings": asdict(settings),
        **({"paired": True} if paired else {}),
        "splits": {split: [asdict(shard) for shard in shards] for split, shards in splits.items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / INDEX, json.dumps(index, indent=1).encode() + b"\n")
    return read_index(folder)


def read_index(folder: Path) -> Index:
    """Read the index and check the size of every shard. Raises ShardError."""
    remedy = "run `dvc repro` (or `dvc checkout`) to restore it"
    try:
        data = (folder / INDEX).read_bytes()
        content = json.loads(data)
        splits = {split: tuple(Shard(**shard) for shard in rows) for split, rows in content["splits"].items()}
        size_px, paired = content["settings"]["size_px"], content.get("paired", False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ShardError(f"{folder} has no valid index of patches ({error}); {remedy}") from None
    every = [shard for shards in splits.values() for shard in shards]
    places = [shard.place(folder) for shard in every]
    for shard, place, found in zip(every, places, store.sizes(places), strict=True):
        if found != shard.bytes:
            if store.url() and found < 0:
                remedy = f"set {store.VARIABLE} to the store of these patches, or run `dvc repro --force`"
            raise ShardError(f"{place} has {max(found, 0)} of {shard.bytes} bytes; {remedy}")
    return Index(folder, size_px, splits, hashlib.sha256(data).hexdigest(), paired)


def read_group(place: str, group: int, columns: Sequence[str] = (PIXELS,)) -> pa.Table:
    """Read the given columns of one row group of the shard at `place`. Raises ShardError, StoreError."""
    try:
        footer = _footer(place) if store.is_remote(place) else None
        with store.open_file(place) as file, pq.ParquetFile(file, metadata=footer) as parquet:
            return parquet.read_row_group(group, columns=list(columns), use_threads=False)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise ShardError(f"{place} cannot be read: {reason}; delete it and run `dvc repro`") from None


@lru_cache(maxsize=256)
def _footer(place: str) -> pq.FileMetaData:
    """Read the footer of a shard in a store once, not for each row group: it costs requests."""
    with store.open_file(place) as file:
        return pq.read_metadata(file)
