"""Trains a rater, and saves weights and config.json with its accuracy on held-out photos."""

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file

from pipeline.errors import CheckpointError, TrainingError
from pipeline.logs import Progress
from pipeline.models.rater_folder import Accuracy, LoadedRater, device, load_rater, save_rater
from pipeline.patches.splits import Split
from pipeline.research.rating.faves import Faves, read_faves
from wespe.metrics.interval import share_interval
from wespe.networks.features import ContentConfig, needed_weights
from wespe.rater import (
    Examples,
    Rater,
    RaterConfig,
    RaterTraining,
    Record,
    learn,
    measure,
)

VGG19_WIDTH = 64
PRETRAINED = ("classifier.0", "classifier.3")  # loaded if the file has them; the last layer is always new


@dataclass(frozen=True, kw_only=True)
class Rating:
    """Settings for training a rater.

    weights: the path of VGG-19's ImageNet weights, .safetensors or torchvision's .pth, or random.
    min_views: photos with fewer views are left out.
    split: validation decides when to stop, test gives the accuracy (2.5 % each in the paper).
    """

    weights: str
    min_views: int = 1
    split: Split = field(default_factory=Split)
    rater: RaterConfig = field(default_factory=RaterConfig)
    training: RaterTraining = field(default_factory=RaterTraining)

    def __post_init__(self) -> None:
        if self.weights != "random" and Path(self.weights).suffix not in (".safetensors", ".pth"):
            raise ValueError("weights must be random, or the path of a .safetensors or .pth file")
        if self.weights != "random" and self.rater.width != VGG19_WIDTH:
            raise ValueError(f"rater.width must be {VGG19_WIDTH} with ImageNet's weights")
        if self.min_views < 1:
            raise ValueError(f"min_views must be at least 1, not {self.min_views}")
        if not (self.split.validation and self.split.test):
            raise ValueError("split.validation and split.test must be above 0")


def train_rater(table: Path, rating: Rating, folder: Path) -> LoadedRater:
    """Learn from a CSV with photo (a path relative to it), faves and views; write `folder`.

    Raises: TrainingError, CheckpointError about the weights.
    """
    torch.manual_seed(rating.training.seed)
    rater = Rater(rating.rater)
    if rating.weights != "random":
        load_imagenet(rater, Path(rating.weights).expanduser())
    faves = read_faves(table, rating.rater, rating.split, rating.min_views)
    epochs = _learn(rater.to(device()), faves, rating.training, table)
    accuracy = _accuracy(rater, faves.parts["test"])
    facts = {
        "weights": Path(rating.weights).name,
        "table_sha256": hashlib.sha256(table.read_bytes()).hexdigest(),
        "min_views": rating.min_views,
        "median_faves_per_view": faves.median,
        "photos": faves.photos | {name: len(part.labels) for name, part in faves.parts.items()},
        "training": dataclasses.asdict(rating.training),
        "epochs": epochs,
    }
    save_rater(folder, rater, accuracy, facts)
    return load_rater(folder)


def load_imagenet(rater: Rater, path: Path) -> None:
    """Start from VGG-19's weights under torchvision's names. Raises CheckpointError naming the file."""
    content = ContentConfig(layers={"relu5_4": 1.0}, weights="random")
    try:
        stored = _stored(path)
        start = needed_weights(stored, content, str(path))
    except ValueError as error:
        raise CheckpointError(f"{error}; give torchvision's vgg19 weights") from None
    ours = rater.state_dict()
    for layer in PRETRAINED:
        layers = {name: stored[name] for name in (f"{layer}.weight", f"{layer}.bias") if name in stored}
        if layers and all(value.shape == ours[name].shape for name, value in layers.items()):
            start |= layers
    rater.load_state_dict(ours | start)


def _learn(rater: Rater, faves: Faves, settings: RaterTraining, table: Path) -> list[Record]:
    """Return the records of all epochs. The remaining time assumes max_epochs; training may stop earlier."""
    if len(faves.parts["train"].labels.unique()) < 2:
        raise TrainingError(f"{table}: all training photos are on one side of the median; add photos")
    progress, epochs = Progress("rate train", settings.max_epochs, "epochs"), []
    try:
        for record in learn(rater, faves.parts["train"], faves.parts["validation"], settings):
            epochs.append(record)
            progress.update(1, "  ".join(f"{name} {value:.3g}" for name, value in record.items()))
    except ArithmeticError as error:
        raise TrainingError(f"{table}: {error}; lower the learning rate") from None
    if progress.done < progress.total:
        progress.total = progress.done
        progress.update(0)
    return epochs


def _accuracy(rater: Rater, test: Examples) -> Accuracy:
    count, value = len(test.labels), measure(rater, test)["accuracy"]
    low, high = share_interval(value * count, count)
    share = float(test.labels.float().mean())
    return Accuracy(value=value, low=low, high=high, photos=count, one_answer=max(share, 1 - share))


def _stored(path: Path) -> Mapping[str, torch.Tensor]:
    """Return the tensors of a file. Raises ValueError."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        stored = torch.load(path, map_location="cpu", weights_only=True)  # tensors only, no code
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except Exception:  # a malicious file can make either loader raise anything
        raise ValueError(f"{path} is damaged, or contains more than weights") from None
    if not isinstance(stored, dict) or not all(isinstance(one, torch.Tensor) for one in stored.values()):
        raise ValueError(f"{path} contains no named tensors")
    return stored
