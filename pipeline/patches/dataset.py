"""A stream as a Ray dataset. One pass covers a whole run, since each pass takes seconds to start."""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import ray
import torch
from ray.data import DataIterator, Dataset

from pipeline.patches.shards import PIXELS, TRUTH, binary, pixels_nhwc
from pipeline.patches.stream import Stream


def dataset(stream: Stream, *, first_row: int, rows: int, workers: int = 1) -> Dataset:
    """Return a dataset of at least `rows` rows of the stream, starting exactly at `first_row`.

    It has enough blocks for an equal split among `workers`.
    """
    start, skipped = stream.locate(first_row)
    end, available = start, -skipped
    # An equal split may withhold up to one block per worker.
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


def batches(iterator: DataIterator, *, batch_size: int, size_px: int) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yield batches of exactly `batch_size`: one uint8 patches_nhwc tensor per picture of the stream."""
    tables: Iterable[pa.Table] = iterator.iter_batches(  # type: ignore[assignment]
        batch_size=batch_size, batch_format="pyarrow", prefetch_batches=4, drop_last=True
    )
    for table in tables:
        yield tuple(_tensor(pixels_nhwc(table, size_px, picture)) for picture in table.column_names)


def _read_window(batch: dict[str, np.ndarray], stream: Stream, start: int, skipped: int) -> pa.Table:
    number = int(batch["id"][0])
    pictures = stream.read(start + number)
    names = (PIXELS, TRUTH)[: len(pictures)]
    table = pa.table({name: binary(patches) for name, patches in zip(names, pictures, strict=True)})
    return table.slice(skipped) if number == 0 else table


def _tensor(patches_nhwc: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(patches_nhwc if patches_nhwc.flags.writeable else patches_nhwc.copy())
