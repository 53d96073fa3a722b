"""SRCNN: a small network and the squared error to aligned pairs (Dong et al., ECCV 2014)."""

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
    """Nothing to set."""

    name: Literal["srcnn"] = "srcnn"


class Srcnn(Method):
    """The line that every other paired method has to beat."""

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
        """The squared error, averaged over photos and pixels (eq. 4 there)."""
        batch, enhanced = scene
        return {"mse": squared_error(enhanced, batch.target)}
