"""Loads and saves a rater of the Flickr Faves Score: weights, and config.json with its measured accuracy."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from pipeline.errors import CheckpointError
from pipeline.files import write_atomically
from pipeline.layout import CONFIG
from pipeline.seeds import seed_of
from wespe.rater import PAPER_ACCURACY, Rater, RaterConfig, cut_crops

FORMAT = 1
WEIGHTS = "rater.safetensors"


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Accuracy on held-out photos, 0–1, with a 95 % interval. one_answer: accuracy of a constant answer."""

    value: float
    low: float
    high: float
    photos: int
    one_answer: float

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}]"

    @property
    def in_words(self) -> str:
        return (
            f"accuracy {self} on {self.photos} held-out photos; a constant answer:"
            f" {100 * self.one_answer:.1f} %, the paper's rater: {100 * PAPER_ACCURACY:.2f} %"
        )


@dataclass(frozen=True)
class LoadedRater:
    """A rater and its config.json."""

    rater: Rater
    config: Mapping[str, Any]
    accuracy: Accuracy


def load_rater(folder: Path) -> LoadedRater:
    """Rebuild a rater and check its weights. Raises CheckpointError."""
    try:
        config = json.loads((folder / CONFIG).read_bytes())
        data = (folder / WEIGHTS).read_bytes()
    except (OSError, ValueError) as error:
        reason = f"{folder} contains no rater ({error})"
        raise CheckpointError(f"{reason}; train one with `python -m stages.rate train`") from None
    try:
        if hashlib.sha256(data).hexdigest() != config["weights_sha256"]:
            raise ValueError(f"{WEIGHTS} does not match the checksum in {CONFIG}")
        rater = Rater(RaterConfig(**config["rater"]))
        rater.load_state_dict(load_file(folder / WEIGHTS))
        accuracy = Accuracy(**config["accuracy"])
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{folder}: {str(error).splitlines()[0]}; train or fetch it again") from None
    return LoadedRater(rater.eval().requires_grad_(False).to(device()), config, accuracy)


def save_rater(folder: Path, rater: Rater, accuracy: Accuracy, facts: Mapping[str, Any]) -> None:
    """Write a folder for `load_rater`."""
    weights = save({name: value.cpu().contiguous() for name, value in rater.state_dict().items()})
    config = {
        "format": FORMAT,
        "rater": dataclasses.asdict(rater.config),
        "accuracy": dataclasses.asdict(accuracy),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        **facts,
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / WEIGHTS, weights)
    write_atomically(folder / CONFIG, json.dumps(config, indent=2).encode() + b"\n")


def rate_photo(trained: LoadedRater, photo_hwc: np.ndarray) -> float:
    """Score one photo, 0–1, on fixed crops. Raises ValueError for a photo smaller than a crop."""
    config = trained.rater.config
    return trained.rater.rate(cut_crops(photo_hwc, config, config.crops, crop_seed("ffs")))


def crop_seed(name: str) -> int:
    """Return the seed of a photo's crops; the same for its enhanced versions, whatever their format."""
    return seed_of("rater crops", PurePath(name).with_suffix("").as_posix())


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"
