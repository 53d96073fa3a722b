"""The batch job, against the bare generator on the same pixels."""

import shutil
import time
from pathlib import Path

import torch

from pipeline.benchmarks.clock import medians, quiet, seconds, steady_speed
from pipeline.benchmarks.tables import Ratio
from pipeline.checkpoints import load_model, save_model
from pipeline.data.images import read_photo
from pipeline.enhancement.actors import on_ray
from pipeline.enhancement.job import carry_out
from pipeline.enhancement.plan import make_plan
from pipeline.enhancement.routing import Router
from pipeline.one_photo import Settings
from pipeline.params import Preset
from wespe.batch import photos_nchw
from wespe.methods import build_generator


def measure_enhance(photos: Path, preset: Preset, repeats: int) -> Ratio:
    """Megapixels per second. An untrained model takes as long as a trained one."""
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
        # Every result carries the time when it was written.
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
    """Megapixels per second of the generator, on all cores or the GPU, pixels ready in its memory."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = load_model(model, device).generator
    photos = [photos_nchw(torch.from_numpy(read_photo(path))[None], device) for path in paths]
    generator(photos[0])
    took_s = seconds(lambda: [generator(photo).shape for photo in photos])
    return sum(photo[0, 0].numel() for photo in photos) / 1e6 / took_s
