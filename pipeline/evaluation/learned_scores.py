"""Judges that have learned: NIQE from the target's photos, others from weights that are given."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from safetensors import SafetensorError

from pipeline.errors import PipelineError
from pipeline.evaluation.photo_scores import Judges
from pipeline.evaluation.settings import JudgeFiles
from pipeline.models.rater_folder import load_rater, rate_photo
from wespe.metrics.brisque import Brisque
from wespe.metrics.cornia import Cornia
from wespe.metrics.lpips import Lpips
from wespe.metrics.niqe import Niqe

T = TypeVar("T")


def load_judges(files: JudgeFiles, target_photos: Iterable[np.ndarray]) -> Judges:
    """Read what is given, and learn the target's look. Raises PipelineError naming the judge and the file."""
    blind: dict[str, Callable[[np.ndarray], float]] = {}
    compared: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {}
    facts: dict[str, float] = {}
    if (look := _look(target_photos)) is not None:
        blind["niqe_target"] = _or_nan(look.score)
    if files.brisque:
        model, ranges = _path(files.brisque.model), _path(files.brisque.ranges)
        blind["brisque"] = _or_nan(_given("brisque", lambda: Brisque.read(model, ranges)).score)
    if files.cornia:
        codebook = _path(files.cornia)
        blind["cornia"] = _given("cornia", lambda: Cornia.from_bytes(codebook.read_bytes())).score
    if files.lpips:
        backbone, linear = _path(files.lpips.backbone), _path(files.lpips.linear)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        compared["lpips"] = _given("lpips", lambda: Lpips(backbone, linear, device))
    if files.ffs:
        trained = load_rater(_path(files.ffs))
        blind["ffs"] = _or_nan(partial(rate_photo, trained))
        facts["ffs_accuracy"] = trained.accuracy.value
    return Judges(blind=blind, compared=compared, facts=facts)


def _path(given: str) -> Path:
    return Path(given).expanduser()


def _look(photos: Iterable[np.ndarray]) -> Niqe | None:
    """Nothing where the target's photos are too small or too smooth for one."""
    try:
        return Niqe.fit(photos)
    except ValueError:
        return None


def _or_nan(score: Callable[[np.ndarray], float]) -> Callable[[np.ndarray], float]:
    """A photo too small for a judge has no score."""

    def scored(photo_hwc: np.ndarray) -> float:
        try:
            return score(photo_hwc)
        except ValueError:
            return float("nan")

    return scored


def _given(judge: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise PipelineError(f"judges.{judge}: {reason}; correct the path, or leave the judge out") from None
