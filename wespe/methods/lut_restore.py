"""This project's own method: colour as in lut_residual, detail by inverting a learned degradation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from wespe.batch import Batch
from wespe.degradation import Degradation, fit_degradation
from wespe.losses import NonNegative, identity_loss
from wespe.method import Losses, Method, Networks, Turn
from wespe.methods.lut_residual import LutResidual
from wespe.networks.features import ContentConfig, Features
from wespe.networks.lut import ColourConfig
from wespe.networks.restorer import Restorer, RestorerConfig
from wespe.networks.texture import TextureConfig
from wespe.sample import Sample
from wespe.set_match import fit_start

FIT_BATCH = 16  # patches per step while the degradation is fitted


@dataclass(frozen=True, kw_only=True)
class LossWeights(NonNegative):
    """Weights of the losses.

    features: mean |difference| between the content features of a restored patch and its original.
    pixels: mean |difference| between both patches.
    """

    features: float = 1.0
    pixels: float = 4.0


@dataclass(frozen=True, kw_only=True)
class DegradationConfig:
    """The degradation of target patches, which the network learns to invert.

    steps: steps for fitting the degradation, before training.
    noise: noise as a multiple of that in the camera's patches; more makes the network remove more noise.
    """

    steps: int = 150
    noise: float = 2.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, not {self.steps}")
        if self.noise < 0:
            raise ValueError(f"noise must be at least 0, not {self.noise}")


@dataclass(frozen=True, kw_only=True)
class LutRestoreConfig:
    """start_patches: maximum number of patches per set, for the initial transform and the degradation."""

    name: Literal["lut_restore"] = "lut_restore"
    colour: ColourConfig = field(default_factory=ColourConfig)
    texture: TextureConfig = field(default_factory=TextureConfig)
    detail: RestorerConfig = field(default_factory=RestorerConfig)
    content: ContentConfig = field(
        default_factory=lambda: ContentConfig(layers={"relu1_2": 1.0, "relu2_2": 1.0, "relu3_1": 1.0})
    )
    weights: LossWeights = field(default_factory=LossWeights)
    degradation: DegradationConfig = field(default_factory=DegradationConfig)
    start_patches: int = 4096

    def __post_init__(self) -> None:
        if self.start_patches < 1:
            raise ValueError(f"start_patches must be at least 1, not {self.start_patches}")


class Scene(NamedTuple):
    """restored: the degraded batch.target."""

    batch: Batch
    restored: torch.Tensor


def restoring_generator(config: LutRestoreConfig) -> LutResidual:
    """The generator: photos_nchw → photos_nchw, float 0–1."""
    return LutResidual(config.colour, config.texture, Restorer(config.detail), config.detail.block_px)


class Renderer(nn.Module):
    """Computes everything that the losses need from the generator in one forward pass."""

    def __init__(self, config: LutRestoreConfig):
        super().__init__()
        self.enhance = restoring_generator(config)

    def forward(self, degraded: torch.Tensor) -> torch.Tensor:
        """Return restored patches."""
        return self.enhance.detail(degraded)


class LutRestore(Method):
    """Trains the detail network on exact pairs: target patches, and the same patches degraded.

    At inference it is applied to the camera's photos.
    """

    def __init__(
        self, config: LutRestoreConfig, *, size_px: int, features: Mapping[str, torch.Tensor] | None = None
    ):
        super().__init__()
        self.config = config
        self.networks = nn.ModuleDict({"generator": Renderer(config)})
        enhance = self.generator
        for fitted in (enhance.colour, enhance.texture):
            fitted.requires_grad_(False)
        self.features = Features(config.content, features)
        self.layer_weights = tuple(config.content.layers.values())
        self.degradation = Degradation().requires_grad_(False)
        self.first_patches = config.start_patches
        self.turns = (Turn("generator", self.losses, vars(config.weights)),)

    @property
    def generator(self) -> LutResidual:
        return self.networks["generator"].enhance  # type: ignore[return-value]

    @property
    def compilable(self) -> list[nn.Module]:
        return [*super().compilable, self.features]

    def prepare(self, source: Sample, target: Sample) -> str:
        enhance, steps = self.generator, self.config.degradation.steps
        found = fit_start(enhance.colour, enhance.texture, source, target)
        fit_to_sets(self.degradation, enhance.textured, source, target, self.features, steps)
        return found

    def render(self, networks: Networks, batch: Batch) -> Scene:
        with torch.no_grad():
            degraded = self.degradation(batch.target, batch.random, self.config.degradation.noise)
        return Scene(batch, networks["generator"](degraded))

    def losses(self, networks: Networks, scene: Scene) -> Losses:
        target, restored = scene.batch.target, scene.restored
        return {
            "features": feature_loss(self.features, self.layer_weights, target, restored),
            "pixels": identity_loss(target, restored),
        }


def feature_loss(
    features: Features, weights: Sequence[float], target: torch.Tensor, restored: torch.Tensor
) -> torch.Tensor:
    """Weighted sum over layers of the mean |difference| of content features."""
    with torch.no_grad():
        wanted = features(target)
    layers = zip(weights, features(restored), wanted, strict=True)
    return torch.stack([weight * (a - b).float().abs().mean() for weight, a, b in layers]).sum()


def fit_to_sets(
    degradation: Degradation,
    textured: Callable[[torch.Tensor], tuple[torch.Tensor, Any]],
    source: Sample,
    target: Sample,
    features: Features,
    steps: int,
) -> None:
    """Fit the degradation: from the target's patches to the source's, after colour and texture."""
    with torch.no_grad():
        started = [textured(patches)[0] for patches in islice(source.chunks(FIT_BATCH), steps)]
    targets = list(islice(target.chunks(FIT_BATCH), steps))
    degradation.requires_grad_(True)
    fit_degradation(degradation, started, targets, features, steps)
    degradation.requires_grad_(False)
