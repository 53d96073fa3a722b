"""HDRNet: a bilateral grid of affine colour transforms, learned from pairs (Gharbi et al., SIGGRAPH 2017)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import nn

from wespe.batch import Batch
from wespe.generator import Generator
from wespe.losses import squared_error
from wespe.method import Losses, Method, Networks, Turn
from wespe.networks.bilateral import Bilateral, BilateralConfig


@dataclass(frozen=True, kw_only=True)
class HdrnetConfig:
    """The only settings are the network's sizes."""

    name: Literal["hdrnet"] = "hdrnet"
    generator: BilateralConfig = field(default_factory=BilateralConfig)


class Hdrnet(Method):
    """Trains the network with squared error on whole photos and their truths."""

    paired: ClassVar[bool] = True
    whole_photos: ClassVar[bool] = True

    def __init__(
        self, config: HdrnetConfig, *, size_px: int, features: Mapping[str, torch.Tensor] | None = None
    ):
        super().__init__()
        self.networks = nn.ModuleDict({"generator": Bilateral(config.generator)})
        self.turns = (Turn("generator", self.losses, {"mse": 1.0}),)

    @property
    def generator(self) -> Generator:
        return self.networks["generator"]  # type: ignore[return-value]

    def render(self, networks: Networks, batch: Batch) -> tuple[Batch, torch.Tensor]:
        return batch, networks["generator"](batch.source)

    def losses(self, networks: Networks, scene: tuple[Batch, torch.Tensor]) -> Losses:
        """Compute the squared error, averaged over photos, pixels and channels (§3.5)."""
        batch, enhanced = scene
        return {"mse": squared_error(enhanced, batch.target)}
