"""Measures the batch job, and one photo from file to file, against the generator on the same pixels."""

import shutil
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch

from pipeline.enhancement.actors import on_ray
from pipeline.enhancement.job import carry_out
from pipeline.enhancement.one_photo import Settings, enhance_photo
from pipeline.enhancement.plan import make_plan
from pipeline.enhancement.routing import Router
from pipeline.models.model_files import save_model
from pipeline.models.model_folder import Model, load_model
from pipeline.params import Preset
from pipeline.photos.images import read_photo
from pipeline.research.benchmarks.clock import medians, quiet, seconds, steady_speed
from pipeline.research.benchmarks.tables import Ratio
from wespe.batch import photos_nchw
from wespe.methods import build_generator


def measure_enhance(photos: Path, preset: Preset, repeats: int) -> Ratio:
    """Measure megapixels per second; an untrained model is as fast as a trained one."""
    model, enhanced = Path("bench-model"), Path("bench-enhanced")
    save_model(model, build_generator(preset.method), preset.method, {})
    paths = sorted(photos.glob("*.jpg"))
    height, width, _ = read_photo(paths[0]).shape
    megapixels = width * height / 1e6

    def measure() -> tuple[float, ...]:
        shutil.rmtree(enhanced, ignore_errors=True)
        began = time.time()
        plan = make_plan([str(photos)], str(enhanced), Router(fixed=str(model)), Path, Settings())
        summary = carry_out(plan, on_ray)
        assert summary.done == len(paths)
        # The modification time of each result is when it was written.
        written_s = [(enhanced / path.name).stat().st_mtime for path in paths]
        bare = forward(model, paths[:8])
        return steady_speed(written_s, megapixels), bare, min(written_s) - began

    with quiet():
        speed, ceiling_speed, start_s = medians(repeats, measure)
    return Ratio(
        what=f"enhance {len(paths)} photos of {megapixels:.1f} MP",
        unit="megapixels",
        speed=speed,
        ceiling="forward only of the bare generator",
        ceiling_speed=ceiling_speed,
        start_s=start_s,
    )


@torch.inference_mode()
def forward(model: Path, paths: list[Path]) -> float:
    """Measure megapixels per second of the generator, on all cores or the GPU, with pixels in memory."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = load_model(model, device).generator
    photos = [photos_nchw(torch.from_numpy(read_photo(path))[None], device) for path in paths]
    generator(photos[0])
    took_s = seconds(lambda: [generator(photo).shape for photo in photos])
    return sum(photo[0, 0].numel() for photo in photos) / 1e6 / took_s


def measure_one_photo(path: Path, presets: Mapping[str, Preset], repeats: int) -> list[Ratio]:
    """Measure megapixels per second from a file to a file's bytes, in this process."""
    return [_measure_one_photo(path, name, preset, repeats) for name, preset in presets.items()]


def _measure_one_photo(path: Path, name: str, preset: Preset, repeats: int) -> Ratio:
    folder = Path(f"bench-{name}")
    save_model(folder, build_generator(preset.method), preset.method, {})
    model, photo_hwc = load_model(folder), read_photo(path)
    megapixels = photo_hwc[..., 0].size / 1e6
    enhance = partial(_enhance, model, path)
    enhance()  # done once for a model: check that bfloat16 is exact enough, measure its receptive field
    speed, ceiling_speed = medians(
        repeats,
        lambda: (megapixels / seconds(enhance), megapixels / in_pieces_s(model, photo_hwc)),
    )
    return Ratio(
        what=f"{name}, one photo of {megapixels:.1f} MP",
        unit="megapixels",
        speed=speed,
        ceiling="its forward in pieces without halo",
        ceiling_speed=ceiling_speed,
    )


def _enhance(model: Model, path: Path) -> bytes | bytearray:
    with open(path, "rb") as file:
        return enhance_photo(model, file, path.suffix, Settings()).data


@torch.inference_mode()
def in_pieces_s(model: Model, photo_hwc: np.ndarray) -> float:
    """Return the seconds of the generator alone, on tiles of the same size but without halo.

    Precision and tiles are as in `Model.enhance`; pixels are float32 in memory, channels last.
    """
    height, width, _ = photo_hwc.shape
    tiling = model.quick_tiling
    rows, columns = tiling.tile(height, width, model.budget_bytes(photo_hwc) // tiling.bytes_per_pixel)
    photos = photos_nchw(torch.from_numpy(photo_hwc)[None], next(model.generator.parameters()).device)
    photos = photos.contiguous(memory_format=torch.channels_last)
    pieces = [piece for strip in photos.split(rows, 2) for piece in strip.split(columns, 3)]
    return seconds(lambda: [tiling.generator(piece).shape for piece in pieces])
