"""Measures the batch job, and one photo from file to file, against the generator on the same pixels."""

import shutil
import time
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path

import torch
from PIL import Image, ImageFilter
from torch import nn

from pipeline.enhancement.actors import on_ray
from pipeline.enhancement.job import carry_out
from pipeline.enhancement.one_photo import Settings, enhance_photo
from pipeline.enhancement.plan import make_plan
from pipeline.enhancement.routing import Router
from pipeline.models.model_files import save_model
from pipeline.models.model_folder import Model, load_model
from pipeline.params import Preset
from pipeline.photos.decoding import decode_original
from pipeline.photos.encoding import encode_enhanced
from pipeline.photos.images import read_photo
from pipeline.research.benchmarks.clock import medians, quiet, seconds, steady_speed
from pipeline.research.benchmarks.tables import Ratio
from wespe.methods import build_generator
from wespe.methods.lut_residual import LutResidual, LutResidualConfig

LUT_SIDE = 33  # of Pillow's 3-D LUT


def measure_enhance(photos: Path, preset: Preset, repeats: int) -> Ratio:
    """Measure megapixels per second of the batch job."""
    model, enhanced = _saved("model", preset), Path("bench-enhanced")
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
        return steady_speed(written_s, megapixels), one_by_one(model, paths[:4]), min(written_s) - began

    with quiet():
        speed, ceiling_speed, start_s = medians(repeats, measure)
    return Ratio(
        what=f"enhance {len(paths)} photos of {megapixels:.1f} MP",
        unit="megapixels",
        speed=speed,
        ceiling="one after the other, in this process",
        ceiling_speed=ceiling_speed,
        start_s=start_s,
    )


def one_by_one(model: Path, paths: list[Path]) -> float:
    """Measure megapixels per second from file to file, each photo on all cores, or on the GPU."""
    loaded = load_model(model, "cuda" if torch.cuda.is_available() else "cpu")
    _enhance(loaded, paths[0])
    took_s = seconds(lambda: [_enhance(loaded, path) for path in paths])
    return sum(read_photo(path)[..., 0].size for path in paths) / 1e6 / took_s


def measure_one_photo(path: Path, presets: Mapping[str, Preset], repeats: int) -> list[Ratio]:
    """Measure megapixels per second from a file to a file's bytes, in this process.

    The ceiling is what no enhancer can do without: decoding and encoding the file. A 3-D LUT, applied by
    Pillow, shows what colour alone costs elsewhere.
    """
    megapixels = read_photo(path)[..., 0].size / 1e6
    works: dict[str, Callable[[], object]] = {
        name: partial(_enhance, load_model(_saved(name, preset)), path) for name, preset in presets.items()
    }
    lut = ImageFilter.Color3DLUT.generate(LUT_SIDE, lambda r, g, b: (r**0.9, g, b**1.1))
    works["Pillow's Color3DLUT"] = partial(_by_lut, path, lut)
    return [_beside_the_codec(name, work, path, megapixels, repeats) for name, work in works.items()]


def _beside_the_codec(
    name: str, work: Callable[[], object], path: Path, megapixels: float, repeats: int
) -> Ratio:
    def measure() -> tuple[float, float]:
        return megapixels / seconds(work), megapixels / seconds(partial(_recode, path))

    work()  # done once for a model: check that bfloat16 is exact enough, measure its receptive field
    speed, codec_speed = medians(repeats, measure)
    return Ratio(
        what=f"{name}, one photo of {megapixels:.1f} MP",
        unit="megapixels",
        speed=speed,
        ceiling="decoding and encoding it",
        ceiling_speed=codec_speed,
    )


def _saved(name: str, preset: Preset) -> Path:
    """Save a model that costs what a trained one costs: without training, our own methods skip their work."""
    folder, generator = Path(f"bench-{name}"), build_generator(preset.method)
    if isinstance(generator, LutResidual):
        generator.texture.fitted.fill_(1)
        if preset.training.steps:
            nn.init.normal_(generator.detail.tail.weight, std=0.01)  # type: ignore[union-attr, arg-type]
        if isinstance(preset.method, LutResidualConfig) and preset.training.steps:
            nn.init.normal_(generator.colour.luts, std=0.01)
    save_model(folder, generator, preset.method, {})
    return folder


def _enhance(model: Model, path: Path) -> bytes | bytearray:
    with open(path, "rb") as file:
        return enhance_photo(model, file, path.suffix, Settings()).data


def _recode(path: Path) -> bytes | bytearray:
    original = decode_original(path.read_bytes())
    return encode_enhanced(original.emptied(), original.photo_hwc, original.kind, "", None).data


def _by_lut(path: Path, lut: ImageFilter.Color3DLUT) -> bytes:
    encoded = BytesIO()
    with Image.open(path) as photo:
        photo.filter(lut).save(encoded, "jpeg", quality=95, subsampling=0)
    return encoded.getvalue()
