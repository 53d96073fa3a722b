"""Estimates a job's time and size by enhancing parts of a few of its photos on this machine."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np

from pipeline.enhancement.plan import Plan, Task
from pipeline.errors import PipelineError
from pipeline.models.model_folder import Model, load_model
from pipeline.photos.decoding import decode_original
from pipeline.photos.encoding import encode_enhanced
from pipeline.photos.formats import FORMATS
from pipeline.photos.original import Metadata, Original

SAMPLES = 3
PIECE_PX = 1_000  # side of the enhanced part


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The estimate. seconds: for one worker as fast as this machine. bytes: size of all results."""

    seconds: float
    bytes: int


def estimate(plan: Plan) -> Estimate | None:
    """Enhance the centre of some photos; return None if none of them can be read."""
    models = {uri: load_model(folder) for uri, folder in plan.folders.items()}
    measured = [_measure(task, plan, models[task.model]) for task in _spread(plan.tasks)]
    samples = [sample for sample in measured if sample]
    if not samples:
        return None
    seconds, written = np.mean(samples, axis=0)
    limit = plan.settings.max_megapixels * 1e6 or float("inf")
    pixels = sum(min(task.pixels, limit) for task in plan.tasks)
    return Estimate(seconds=float(pixels * seconds), bytes=int(pixels * written))


def _spread(tasks: Sequence[Task]) -> list[Task]:
    """Choose a few tasks, evenly spaced from the largest to the smallest."""
    places = np.linspace(0, len(tasks) - 1, min(SAMPLES, len(tasks))).round().astype(int)
    return [tasks[place] for place in places]


def _measure(task: Task, plan: Plan, model: Model) -> tuple[float, float] | None:
    """Return seconds and bytes per pixel."""
    try:
        with plan.sources[task.source].open(task.name) as file:
            data = file.read()
        began_s = time.perf_counter()
        original = decode_original(data)
    except (OSError, PipelineError):
        return None
    reading_s = (time.perf_counter() - began_s) / original.photo_hwc[..., 0].size
    piece = _middle(original)
    model.enhance(piece.photo_hwc[:64, :64])  # the first call is slow
    kind = FORMATS.get(PurePosixPath(task.result).suffix.lower(), "JPEG")
    began_s = time.perf_counter()
    enhanced = model.enhance(piece.photo_hwc, strength=plan.settings.strength, colours=piece.colours)
    written = encode_enhanced(piece, enhanced, kind, "", plan.settings.quality or None).data
    pixels = piece.photo_hwc[..., 0].size
    return reading_s + (time.perf_counter() - began_s) / pixels, len(written) / pixels


def _middle(original: Original) -> Original:
    height, width, _ = original.photo_hwc.shape
    top, left = (max(0, side - PIECE_PX) // 2 for side in (height, width))
    area = slice(top, top + PIECE_PX), slice(left, left + PIECE_PX)
    alpha = None if original.alpha_hw is None else original.alpha_hw[area]
    return replace(original, photo_hwc=original.photo_hwc[area], alpha_hw=alpha, metadata=Metadata())
