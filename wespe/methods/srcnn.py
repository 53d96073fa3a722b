"""SRCNN: a small network trained with squared error on aligned pairs (Dong et al., ECCV 2014)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn

from wespe.batch import Batch
from wespe.generator import Generator
from wespe.losses import squared_error
from wespe.method import Losses, Method, Networks, Turn
from wespe.networks.srcnn import SRCNN


@dataclass(frozen=True, kw_only=True)
class SrcnnConfig:
    """SRCNN has no settings."""

    name: Literal["srcnn"] = "srcnn"


class Srcnn(Method):
    """Trains SRCNN: the baseline for paired methods."""

    paired: ClassVar[bool] = True

    def __init__(
        self, config: SrcnnConfig, *, size_px: int, features: Mapping[str, torch.Tensor] | None = None
    ):
        super().__init__()
        self.networks = nn.ModuleDict({"generator": SRCNN()})
        self.turns = (Turn("generator", self.losses, {"mse": 1.0}),)

    @property
    def generator(self) -> Generator:
        return self.networks["generator"]  # type: ignore[return-value]

    def render(self, networks: Networks, batch: Batch) -> tuple[Batch, torch.Tensor]:
        return batch, networks["generator"](batch.source)

    def losses(self, networks: Networks, scene: tuple[Batch, torch.Tensor]) -> Losses:
        """Compute the squared error, averaged over photos and pixels (eq. 4 of the paper)."""
        batch, enhanced = scene
        return {"mse": squared_error(enhanced, batch.target)}
