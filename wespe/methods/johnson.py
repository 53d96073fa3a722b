"""Johnson et al.: a strided residual network trained with perceptual losses (ECCV 2016), on aligned pairs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import nn

from wespe.batch import Batch
from wespe.generator import Generator
from wespe.losses import NonNegative, content_loss, gram_loss, total_variation_loss
from wespe.method import Losses, Method, Networks, Turn
from wespe.networks.features import ContentConfig, Features
from wespe.networks.strided import Strided, StridedConfig


@dataclass(frozen=True, kw_only=True)
class LossWeights(NonNegative):
    """Weights of the losses. gram: of the truth's style, which an aligned truth makes redundant: off."""

    content: float = 1.0
    gram: float = 0.0
    tv: float = 0.1


@dataclass(frozen=True, kw_only=True)
class JohnsonConfig:
    """content: its layers are also those of the Gram loss. relu2_2 is the paper's for super-resolution."""

    name: Literal["johnson"] = "johnson"
    generator: StridedConfig = field(default_factory=StridedConfig)
    content: ContentConfig = field(default_factory=lambda: ContentConfig(layers={"relu2_2": 1.0}))
    weights: LossWeights = field(default_factory=LossWeights)


class Scene(NamedTuple):
    batch: Batch
    enhanced: torch.Tensor


class Johnson(Method):
    """Trains the network to have the features of the aligned photo of the better camera."""

    paired: ClassVar[bool] = True

    def __init__(
        self, config: JohnsonConfig, *, size_px: int, features: Mapping[str, torch.Tensor] | None = None
    ):
        super().__init__()
        self.networks = nn.ModuleDict({"generator": Strided(config.generator)})
        self.features = Features(config.content, features)
        self.layer_weights = tuple(config.content.layers.values())
        self.turns = (Turn("generator", self.losses, vars(config.weights)),)

    @property
    def generator(self) -> Generator:
        return self.networks["generator"]  # type: ignore[return-value]

    @property
    def compilable(self) -> list[nn.Module]:
        return [*super().compilable, self.features]

    def render(self, networks: Networks, batch: Batch) -> Scene:
        return Scene(batch, networks["generator"](batch.source))

    def losses(self, networks: Networks, scene: Scene) -> Losses:
        """Compute feature reconstruction, style reconstruction and total variation (§3.2 of the paper)."""
        with torch.no_grad():
            truth = self.features(scene.batch.target)
        found = self.features(scene.enhanced)
        return {
            "content": content_loss(truth, found, self.layer_weights),
            "gram": gram_loss(truth, found, self.layer_weights),
            "tv": total_variation_loss(scene.enhanced),
        }
