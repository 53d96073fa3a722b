"""A network that predicts whether Flickr users would fave a photo (Ignatov et al. 2018, § 4.4)."""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from wespe.batch import photos_nchw
from wespe.networks.features import IMAGENET_MEAN, IMAGENET_STD

PAPER_ACCURACY = 0.6875  # § 4.4, on 400 held-out photos
CONVS = (2, 2, 4, 4, 4)  # of VGG-19's stages
POOLED_PX = 7

Record = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class RaterConfig:
    """Settings of the network and its crops.

    long_side_px: larger photos are reduced to this size (HD) before crops are cut. The paper also crops to
        HD's aspect ratio, which does not change the scale and is omitted here.
    crop_px: side of a crop; photos must be at least as large.
    crops: crops per photo at scoring; training uses one.
    width: channels of the first stage (64 in VGG-19).
    hidden: units of the classifier's hidden layers (4096 in VGG-19).
    """

    long_side_px: int = 1280
    crop_px: int = 224
    crops: int = 5
    width: int = 64
    hidden: int = 4096

    def __post_init__(self) -> None:
        for name in ("crops", "width", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 32 <= self.crop_px <= self.long_side_px:
            raise ValueError(f"crop_px must be at least 32 and at most long_side_px, not {self.crop_px}")


@dataclass(frozen=True, kw_only=True)
class RaterTraining:
    """Training settings. patience: stop after this many epochs without a lower validation loss."""

    learning_rate: float = 5e-5
    batch_size: int = 25
    patience: int = 5
    max_epochs: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < 1:
            raise ValueError(f"learning_rate must be above 0 and below 1, not {self.learning_rate}")
        for name in ("batch_size", "patience", "max_epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


@dataclass(frozen=True)
class Examples:
    """Crops (photos, crops, h, w, 3) uint8; labels (photos,) bool: whether the photo is above the median."""

    crops: torch.Tensor
    labels: torch.Tensor


class Rater(nn.Module):
    """crops_nchw, float 0–1 → logits (n,). The architecture is torchvision's VGG-19 with one output."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, config: RaterConfig):
        super().__init__()
        self.config = config
        self.features = _vgg19(config.width)
        inputs = config.width * 8 * POOLED_PX**2
        last = nn.Linear(config.hidden, 1)
        self.classifier = nn.Sequential(
            *(nn.Linear(inputs, config.hidden), nn.ReLU(), nn.Dropout()),
            *(nn.Linear(config.hidden, config.hidden), nn.ReLU(), nn.Dropout()),
            last,
        )
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        self.apply(_initialise)
        nn.init.normal_(last.weight, std=0.01)  # so that the first scores are near 0.5

    def forward(self, crops_nchw: torch.Tensor) -> torch.Tensor:
        features = self.features((crops_nchw - self.mean) / self.std)
        pooled = F.adaptive_avg_pool2d(features, POOLED_PX)
        return self.classifier(pooled.flatten(1))[:, 0]

    @torch.inference_mode()
    def rate(self, crops_nhwc: torch.Tensor) -> float:
        """Return a photo's score, 0–1: the mean probability over its crops (n, h, w, 3) uint8."""
        device = self.mean.device
        return float(self.eval()(photos_nchw(crops_nhwc, device)).sigmoid().mean())


def shrink(photo_hwc: np.ndarray, long_side_px: int) -> np.ndarray:
    """Reduce a uint8 photo so that its long side is at most `long_side_px`."""
    height, width = photo_hwc.shape[:2]
    scale = long_side_px / max(height, width)
    if scale >= 1:
        return photo_hwc
    size = [max(1, round(height * scale)), max(1, round(width * scale))]
    photo = torch.from_numpy(np.ascontiguousarray(photo_hwc)).permute(2, 0, 1)[None]
    return F.interpolate(photo, size, mode="bicubic", antialias=True)[0].permute(1, 2, 0).contiguous().numpy()


def cut_crops(photo_hwc: np.ndarray, config: RaterConfig, count: int, seed: int) -> torch.Tensor:
    """Cut random crops (count, h, w, 3) uint8. Positions depend only on the seed and the photo's size.

    The first crop does not depend on `count`. Raises: ValueError for a photo smaller than a crop.
    """
    photo, side = shrink(photo_hwc, config.long_side_px), config.crop_px
    height, width = photo.shape[:2]
    if min(height, width) < side:
        raise ValueError(f"{width}×{height} px is smaller than a crop of {side} px")
    places = np.random.default_rng(seed).random((count, 2))  # row by row, so that a prefix stays the same
    tops, lefts = (places * (height - side + 1, width - side + 1)).astype(int).T
    crops = [photo[top : top + side, left : left + side] for top, left in zip(tops, lefts, strict=True)]
    return torch.from_numpy(np.stack(crops))


def learn(
    rater: Rater, training: Examples, validation: Examples, settings: RaterTraining
) -> Iterator[Record]:
    """Train until the validation loss stops falling; yield a record per epoch. Ends with the best weights.

    Raises: ArithmeticError naming the epoch if a loss is not finite.
    """
    optimiser = torch.optim.Adam(rater.parameters(), settings.learning_rate)
    order = torch.Generator().manual_seed(settings.seed)
    best, best_loss, waited = copy.deepcopy(rater.state_dict()), math.inf, 0
    for epoch in range(1, settings.max_epochs + 1):
        record = {"epoch": epoch, "loss": _learn_once(rater, optimiser, training, settings.batch_size, order)}
        record |= {f"validation_{name}": value for name, value in measure(rater, validation).items()}
        if not math.isfinite(record["loss"] + record["validation_loss"]):
            raise ArithmeticError(f"the loss is not finite in epoch {epoch}")
        waited += 1
        if record["validation_loss"] < best_loss:
            best, best_loss, waited = copy.deepcopy(rater.state_dict()), record["validation_loss"], 0
        yield record
        if waited == settings.patience:
            break
    rater.load_state_dict(best)


@torch.inference_mode()
def measure(rater: Rater, examples: Examples) -> Record:
    """Return the mean loss over crops, and the accuracy over photos, scored by the mean of their crops."""
    rater.eval()
    losses, right = [], 0
    for crops, label in zip(examples.crops, examples.labels, strict=True):
        logits = rater(photos_nchw(crops, rater.mean.device)).cpu()
        losses.append(float(_loss(logits, label.expand(len(logits)))))
        right += int((logits.sigmoid().mean() > 0.5) == label)
    return {"loss": sum(losses) / len(losses), "accuracy": right / len(losses)}


def _learn_once(
    rater: Rater,
    optimiser: torch.optim.Optimizer,
    training: Examples,
    batch_size: int,
    order: torch.Generator,
) -> float:
    rater.train()
    device, losses = rater.mean.device, []
    for batch in torch.randperm(len(training.labels), generator=order).split(batch_size):
        logits = rater(photos_nchw(training.crops[batch, 0], device))
        loss = _loss(logits, training.labels[batch].to(device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        losses.append(loss.detach() * len(batch))
    return float(torch.stack(losses).sum()) / len(training.labels)


def _loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(logits, labels.float())


def _vgg19(width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for stage, convs in enumerate(CONVS):
        for _ in range(convs):
            out = width * min(2**stage, 8)
            layers += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU(inplace=True)]
            channels = out
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def _initialise(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
        nn.init.constant_(layer.bias, 0)  # type: ignore[arg-type]
