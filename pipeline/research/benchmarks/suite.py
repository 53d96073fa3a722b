"""All measurements in sequence, in a temporary folder for photos, patches and models."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from pipeline import cluster
from pipeline.layout import photo_set
from pipeline.params import Preset
from pipeline.patches.patches import Patches
from pipeline.patches.shards import Index, read_index
from pipeline.research.benchmarks.enhance import measure_enhance, measure_one_photo
from pipeline.research.benchmarks.layouts import measure_layouts
from pipeline.research.benchmarks.patchify import CAMERA, measure_patchify
from pipeline.research.benchmarks.photos import write_photos
from pipeline.research.benchmarks.step import compiler, measure_step
from pipeline.research.benchmarks.stream import measure_stream
from pipeline.research.benchmarks.tables import Layout, Ratio, layout_table, machine, ratio_table

FASTEST = "lut-restore"  # the hardest for the batch job to keep up with
# One generator of each kind that can be tiled in a single pass.
ONE_PHOTO = ("wespe-stable", "srcnn", "lut-residual", "lut-fit", FASTEST)


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Amounts of data: enough to average out noise, in five minutes on two cores."""

    photos: int = 160
    photo_px: tuple[int, int] = (2048, 1536)
    patches: Patches = field(default_factory=lambda: Patches(size_px=100, per_photo=32))
    stream_rows: int = 30_000
    layout_rows: int = 2_000
    demo_steps: int = 15
    wespe_steps: int = 3
    wespe_batch: int = 8
    large_photos: int = 16
    large_photo_px: tuple[int, int] = (4000, 3000)
    repeats: int = 3


@dataclass(frozen=True)
class Results:
    ray_start_s: float
    ratios: list[Ratio]
    layouts: list[Layout]
    needs: str

    def __str__(self) -> str:
        return f"""{ratio_table(self.ratios)}

{self.needs}
Ray started in {self.ray_start_s:.1f} s, once for all.

{layout_table(self.layouts)}

{machine()}"""


def measure_all(presets: Mapping[str, Preset], demo_size_px: int, sizes: Sizes) -> Results:
    """Measure on this machine. Unset RAY_ADDRESS: a cluster would not find the temporary folder."""
    demo, wespe = presets["demo"], presets["wespe"]
    torch.set_num_threads(os.cpu_count() or 1)  # as training and the batch job do on a CPU
    with tempfile.TemporaryDirectory(prefix="wespe-bench-") as folder, chdir(folder):
        with _shown("write photos"):
            photos = write_photos(Path("photos"), sizes.photos, *sizes.photo_px)
            large, *_ = write_photos(Path("large"), sizes.large_photos, *sizes.large_photo_px)
        began = time.perf_counter()
        with cluster.session():
            ray_start_s = time.perf_counter() - began
            ratios = _measure_with_ray(photos, presets[FASTEST], sizes)
        # After the session: Ray's idle processes would use the cores too.
        with _shown("one photo"):
            ratios += measure_one_photo(large, {name: presets[name] for name in ONE_PHOTO}, sizes.repeats)
        with _shown("step"):
            steps = _measure_steps(demo, demo_size_px, wespe, sizes)
        with _shown("layouts"):
            layouts = measure_layouts(_index(), sizes.layout_rows, sizes.repeats)
    return Results(ray_start_s, ratios + steps, layouts, _needs(wespe, steps[2], ratios[1]))


def _measure_with_ray(photos: list[Path], preset: Preset, sizes: Sizes) -> list[Ratio]:
    with _shown("patchify"):
        patchify = measure_patchify(photos, *sizes.photo_px, sizes.patches, sizes.repeats)
    with _shown("stream"):
        stream = measure_stream(_index(), sizes.stream_rows, sizes.repeats)
    with _shown("enhance"):
        enhance = measure_enhance(Path("large"), preset, sizes.repeats)
    return [patchify, stream, enhance]


def _measure_steps(demo: Preset, demo_size_px: int, wespe: Preset, sizes: Sizes) -> list[Ratio]:
    """Measure two lines each for the demo's preset, wespe, and compiled wespe if supported."""
    compiled = replace(wespe, learner=replace(wespe.learner, compile=True))
    variants = [("wespe", wespe), *([("wespe, compiled", compiled)] if compiler() else [])]
    steps = measure_step("demo", demo, demo_size_px, demo.training.batch_size, sizes.demo_steps)
    for name, preset in variants:
        steps += measure_step(name, preset, sizes.patches.size_px, sizes.wespe_batch, sizes.wespe_steps)
    return steps


def _needs(preset: Preset, step: Ratio, stream: Ratio) -> str:
    """Describe the time of a whole training, and the share of the stream's speed that it needs."""
    images = preset.training.steps * preset.training.batch_size
    return (
        f"Training preset wespe ({images:,} images) takes {images / step.speed / 3600:.1f} hours at this "
        f"speed, and needs {2 * step.speed / stream.speed:.2%} of the stream's maximum speed."
    )


def _index() -> Index:
    return read_index(photo_set(CAMERA).patches)


@contextmanager
def _shown(part: str) -> Iterator[None]:
    """Report on stderr how long each part takes."""
    began = time.monotonic()
    yield
    print(f"bench: {part} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
