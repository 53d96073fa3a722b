"""UPE: dark photos divided by their illumination, learned from pairs (Wang et al., CVPR 2019)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import nn

from wespe.batch import Batch
from wespe.losses import NonNegative, colour_angle, uneven_illumination_loss
from wespe.method import Losses, Method, Networks, Turn
from wespe.networks.bilateral import BilateralConfig
from wespe.networks.illumination import Illuminated, enhanced


@dataclass(frozen=True, kw_only=True)
class LossWeights(NonNegative):
    """Weights of the losses: the paper's."""

    reconstruction: float = 1.0
    smooth: float = 2.0
    colour: float = 0.2


@dataclass(frozen=True, kw_only=True)
class UpeConfig:
    """Settings of the method: sizes of the network, and weights of the losses."""

    name: Literal["upe"] = "upe"
    generator: BilateralConfig = field(default_factory=BilateralConfig)
    weights: LossWeights = field(default_factory=LossWeights)


class Scene(NamedTuple):
    """illumination: of the source."""

    batch: Batch
    illumination: torch.Tensor


class Renderer(nn.Module):
    """photos_nchw → their illumination, which all losses need."""

    def __init__(self, config: UpeConfig):
        super().__init__()
        self.enhance = Illuminated(config.generator)

    def forward(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        return self.enhance.illumination(photos_nchw)


class Upe(Method):
    """Trains the estimate of illumination on whole dark photos and their truths."""

    paired: ClassVar[bool] = True
    whole_photos: ClassVar[bool] = True

    def __init__(
        self, config: UpeConfig, *, size_px: int, features: Mapping[str, torch.Tensor] | None = None
    ):
        super().__init__()
        self.networks = nn.ModuleDict({"generator": Renderer(config)})
        self.turns = (Turn("generator", self.losses, vars(config.weights)),)

    @property
    def generator(self) -> Illuminated:
        return self.networks["generator"].enhance  # type: ignore[return-value]

    def render(self, networks: Networks, batch: Batch) -> Scene:
        return Scene(batch, networks["generator"](batch.source))

    def losses(self, networks: Networks, scene: Scene) -> Losses:
        """Compute the three terms of the total loss, each summed over channels and averaged over pixels."""
        photo, truth, illumination = scene.batch.source, scene.batch.target, scene.illumination
        return {
            "reconstruction": (photo - illumination * truth).square().sum(1).mean(),
            "smooth": uneven_illumination_loss(illumination, photo),
            "colour": colour_angle(enhanced(photo, illumination), truth).mean(),
        }
