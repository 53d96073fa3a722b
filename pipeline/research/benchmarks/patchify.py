"""Measures cutting photos into shards with Ray Data, against decoding them only."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.patches.patches import Patches
from pipeline.patches.patchify import patchify
from pipeline.photos.images import read_photo
from pipeline.research.benchmarks.clock import medians, quiet, seconds
from pipeline.research.benchmarks.photos import write_camera
from pipeline.research.benchmarks.tables import Ratio

CAMERA, FEW = "cameras.bench", "cameras.bench-few"


def measure_patchify(paths: list[Path], width: int, height: int, patches: Patches, repeats: int) -> Ratio:
    """Measure megapixels per second. The shards of `cameras.bench` are kept."""
    few, threads = os.cpu_count() or 1, os.cpu_count() or 1
    write_camera(CAMERA, paths, width, height)
    write_camera(FEW, paths[:few], width, height)
    megapixels = width * height / 1e6

    def measure() -> tuple[float, ...]:
        # A pass over a few photos measures the start-up time, which the speed excludes.
        start_s = seconds(lambda: patchify(FEW, patches))
        all_s = seconds(lambda: patchify(CAMERA, patches))
        decode_s = seconds(lambda: decode(paths, threads))
        speed = (len(paths) - few) / (all_s - start_s) * megapixels
        return speed, len(paths) / decode_s * megapixels, start_s

    with quiet():
        patchify(FEW, patches)  # Ray's workers import our modules once
        speed, ceiling_speed, start_s = medians(repeats, measure)
    return Ratio(
        what=f"patchify {len(paths)} photos of {megapixels:.1f} MP, {patches.per_photo} patches each",
        unit="megapixels",
        speed=speed,
        ceiling=f"decode only, {threads} threads",
        ceiling_speed=ceiling_speed,
        start_s=start_s,
    )


def decode(paths: list[Path], threads: int) -> None:
    """Decode and discard; Pillow releases the GIL meanwhile."""
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda path: read_photo(path).shape, paths):
            pass
