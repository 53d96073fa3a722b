"""Loads learned scores: NIQE is fitted to the target's photos, the others need the user's weights."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError

from pipeline.errors import PipelineError
from pipeline.evaluation.photo_scores import LearnedScores
from pipeline.evaluation.settings import LearnedScoreFiles
from pipeline.models.rater_folder import load_rater, rate_photo
from wespe.metrics.brisque import Brisque
from wespe.metrics.cornia import Cornia
from wespe.metrics.lpips import Lpips
from wespe.metrics.niqe import Niqe
from wespe.metrics.probe import Probe

T = TypeVar("T")


def load_learned_scores(files: LearnedScoreFiles, target_photos: Iterable[np.ndarray]) -> LearnedScores:
    """Load the given weights, and fit NIQE to the target. Raises PipelineError naming score and file."""
    functions: dict[str, Callable[..., Any]] = {}
    facts: dict[str, float] = {}
    left_out: dict[str, str] = {}
    try:
        functions["niqe_target"] = _nan_if_too_small(Niqe.fit(target_photos).score)
    except ValueError as error:
        left_out["niqe_target"] = f"{error}; add photos to the target"
    if files.brisque:
        model, ranges = _path(files.brisque.model), _path(files.brisque.ranges)
        brisque = _loaded("brisque", lambda: Brisque.read(model, ranges))
        functions["brisque"] = _nan_if_too_small(brisque.score)
    if files.cornia:
        codebook = _path(files.cornia)
        functions["cornia"] = _loaded("cornia", lambda: Cornia.from_bytes(codebook.read_bytes())).score
    if lpips := load_lpips(files):
        functions |= {"lpips": lpips, "probe": Probe(lpips.features, lpips.device)}
    if files.ffs:
        rater = load_rater(_path(files.ffs))
        functions["ffs"] = _nan_if_too_small(partial(rate_photo, rater))
        facts["ffs_accuracy"] = rater.accuracy.value
    return LearnedScores(functions=functions, facts=facts, left_out=left_out)


def load_lpips(files: LearnedScoreFiles) -> Lpips | None:
    """LPIPS, if its weights are given. Raises PipelineError naming the file."""
    if not files.lpips:
        return None
    backbone, linear = _path(files.lpips.backbone), _path(files.lpips.linear)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return _loaded("lpips", lambda: Lpips(backbone, linear, device))


def _path(given: str) -> Path:
    return Path(given).expanduser()


def _nan_if_too_small(score: Callable[[np.ndarray], float]) -> Callable[[np.ndarray], float]:
    def scored(photo_hwc: np.ndarray) -> float:
        try:
            return score(photo_hwc)
        except ValueError:
            return float("nan")

    return scored


def _loaded(score: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise PipelineError(
            f"learned_scores.{score}: {reason}; correct the path in params.yaml, or remove the key"
        ) from None
