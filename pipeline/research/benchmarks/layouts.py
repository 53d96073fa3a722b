"""Compares formats for patches in Parquet: file size, and speed of reading as uint8 NHWC."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipeline.patches.shards import GROUP_ROWS, Index, encode, pixels_nhwc
from pipeline.research.benchmarks.clock import medians, seconds
from pipeline.research.benchmarks.tables import Layout

Decode = Callable[..., np.ndarray]  # of a table and the patches' size_px
PNG = "PNG bytes"
BINARY: dict[str, dict[str, Any]] = {
    "fixed-size binary": {"compression": "none"},
    "fixed-size binary, lz4": {"compression": "lz4"},
    "fixed-size binary, zstd-1": {"compression": "zstd", "compression_level": 1},
}


def measure_layouts(index: Index, patches: int, repeats: int) -> list[Layout]:
    """Write the first patches of the train split in every layout, then read each back."""
    patches_nhwc = _first(index, patches)
    raw = encode([""] * len(patches_nhwc), [(0, 0)] * len(patches_nhwc), patches_nhwc).select(["pixels"])
    tables: dict[str, tuple[pa.Table, dict[str, Any], Decode]] = {
        name: (raw, settings, pixels_nhwc) for name, settings in BINARY.items()
    }
    tables[PNG] = (_png(patches_nhwc), {"compression": "none"}, _from_png)
    return [
        _measure(Path("bench-layout.parquet"), name, *table, patches_nhwc, repeats)
        for name, table in tables.items()
    ]


def _measure(
    path: Path,
    name: str,
    table: pa.Table,
    settings: dict[str, Any],
    decode: Decode,
    patches_nhwc: np.ndarray,
    repeats: int,
) -> Layout:
    pq.write_table(
        table, path, row_group_size=GROUP_ROWS, use_dictionary=False, write_statistics=False, **settings
    )
    size_px = patches_nhwc.shape[1]
    assert np.array_equal(_read(path, decode, size_px)[0], patches_nhwc[:GROUP_ROWS])
    [read_s] = medians(repeats, lambda: (seconds(lambda: _read(path, decode, size_px)),))
    size = path.stat().st_size
    return Layout(
        name=name,
        mib=size / 2**20,
        size=size / patches_nhwc.nbytes,
        patches_per_s=len(patches_nhwc) / read_s,
    )


def _read(path: Path, decode: Decode, size_px: int) -> list[np.ndarray]:
    with pq.ParquetFile(path) as file:
        return [
            decode(file.read_row_group(group, use_threads=False), size_px)
            for group in range(file.num_row_groups)
        ]


def _first(index: Index, patches: int) -> np.ndarray:
    files = [index.folder / shard.file for shard in index.splits["train"]]
    table = pq.read_table(files, columns=["pixels"]).slice(0, patches)
    return pixels_nhwc(table, index.size_px)


def _png(patches_nhwc: np.ndarray) -> pa.Table:
    def encoded(patch_hwc: np.ndarray) -> bytes:
        file = io.BytesIO()
        Image.fromarray(patch_hwc).save(file, "PNG", compress_level=1)
        return file.getvalue()

    return pa.table({"pixels": [encoded(patch) for patch in patches_nhwc]})


def _from_png(table: pa.Table, size_px: int) -> np.ndarray:
    return np.stack([np.asarray(Image.open(io.BytesIO(data.as_py()))) for data in table["pixels"]])
