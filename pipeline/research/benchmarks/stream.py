"""Measures shuffled patches through Ray Data, against reading the same row groups with plain pyarrow."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pyarrow.parquet as pq

from pipeline.patches.dataset import batches, dataset
from pipeline.patches.groups import ShardGroups
from pipeline.patches.shards import Index, pixels_nhwc
from pipeline.patches.stream import stream_of
from pipeline.research.benchmarks.clock import cycle, medians, quiet, seconds, steady_speed
from pipeline.research.benchmarks.tables import Ratio

BATCH_SIZE = 30


def measure_stream(index: Index, rows: int, repeats: int) -> Ratio:
    """Measure patches per second, in batches of 30 as in the paper."""
    stream = stream_of(index, "train", name="bench", seed=1)
    threads = os.cpu_count() or 1
    places = list(ShardGroups.of(index, "train").places)
    groups = list(cycle(places, max(1, rows * len(places) // index.rows("train"))))

    def measure() -> tuple[float, ...]:
        began = time.perf_counter()
        iterator = dataset(stream, first_row=0, rows=rows).iterator()
        arrived_s = [
            time.perf_counter() for _ in batches(iterator, batch_size=BATCH_SIZE, size_px=index.size_px)
        ]
        plain_s = seconds(lambda: read(index, groups, threads))
        patches = sum(rows for _, _, rows in groups)
        return steady_speed(arrived_s, BATCH_SIZE), patches / plain_s, arrived_s[0] - began

    with quiet():
        speed, ceiling_speed, start_s = medians(repeats, measure)
    return Ratio(
        what=f"stream {rows:,} patches of {index.size_px} px, shuffled and turned",
        unit="patches",
        speed=speed,
        ceiling=f"plain pyarrow, in file order, {threads} threads",
        ceiling_speed=ceiling_speed,
        start_s=start_s,
    )


def read(index: Index, groups: list[tuple[str, int, int]], threads: int) -> None:
    """Read row groups as numpy views; every thread opens each file once."""
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda first: _read(index, groups[first::threads]), range(threads)):
            pass


def _read(index: Index, groups: list[tuple[str, int, int]]) -> None:
    files: dict[str, pq.ParquetFile] = {}
    for name, group, _ in groups:
        if name not in files:
            files[name] = pq.ParquetFile(name)
        table = files[name].read_row_group(group, columns=["pixels"], use_threads=False)
        pixels_nhwc(table, index.size_px)
    for file in files.values():
        file.close()
