"""DPED: supervised training on aligned pairs, as in the authors' code (Ignatov et al., ICCV 2017)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import nn

from wespe.adversarial import AdversarialConfig, Adversary
from wespe.batch import Batch
from wespe.generator import Generator
from wespe.losses import NonNegative, colour_loss, content_loss, total_variation_loss
from wespe.method import Losses, Method, Networks, Turn
from wespe.networks.critic import Critic, CriticConfig
from wespe.networks.features import ContentConfig, Features
from wespe.networks.resnet import ResNet, ResNetConfig
from wespe.views import BlurConfig, colour_view, gaussian_kernel, texture_view


@dataclass(frozen=True, kw_only=True)
class LossWeights(NonNegative):
    """Weights of the losses, as in the authors' code; the paper prints 1, 0.4, 0.1 and 400."""

    content: float = 10.0
    texture: float = 1.0
    colour: float = 0.5
    tv: float = 2000.0


@dataclass(frozen=True, kw_only=True)
class DpedConfig:
    """The defaults are the authors'. The texture loss is a sum: as a mean it would be negligible."""

    name: Literal["dped"] = "dped"
    generator: ResNetConfig = field(default_factory=ResNetConfig)
    critic: CriticConfig = field(default_factory=lambda: CriticConfig(start="truncated_normal"))
    content: ContentConfig = field(default_factory=ContentConfig)
    weights: LossWeights = field(default_factory=LossWeights)
    adversarial: AdversarialConfig = field(default_factory=AdversarialConfig)
    blur: BlurConfig = field(default_factory=BlurConfig)


class Scene(NamedTuple):
    batch: Batch
    enhanced: torch.Tensor


class Dped(Method):
    """Trains G against the texture critic D_t, and towards the aligned photo of the better camera."""

    paired: ClassVar[bool] = True
    blur: torch.Tensor

    def __init__(
        self, config: DpedConfig, *, size_px: int, features: Mapping[str, torch.Tensor] | None = None
    ):
        super().__init__()
        self.networks = nn.ModuleDict(
            {
                "generator": ResNet(config.generator),
                "critic": Critic(config.critic, channels=1, size_px=size_px),
            }
        )
        self.features = Features(config.content, features)
        self.layer_weights = tuple(config.content.layers.values())
        self.register_buffer("blur", gaussian_kernel(config.blur), persistent=False)
        self.adversary = Adversary(config.adversarial)
        self.turns = (
            Turn("generator", self.generator_losses, vars(config.weights)),
            Turn("critic", self.critic_losses, self.adversary.weights("texture")),
        )

    @property
    def generator(self) -> Generator:
        return self.networks["generator"]  # type: ignore[return-value]

    @property
    def compilable(self) -> list[nn.Module]:
        return [*super().compilable, self.features]

    def render(self, networks: Networks, batch: Batch) -> Scene:
        return Scene(batch, networks["generator"](batch.source))

    def generator_losses(self, networks: Networks, scene: Scene) -> Losses:
        """Compute the four terms of the total loss."""
        batch, enhanced = scene.batch, scene.enhanced
        with torch.no_grad():
            content, blurred = self.features(batch.target), colour_view(batch.target, self.blur)
        texture = networks["critic"](texture_view(enhanced))
        return {
            "content": content_loss(content, self.features(enhanced), self.layer_weights),
            "texture": self.adversary.generator_loss(texture, batch.total),
            "colour": 0.5 * colour_loss(blurred, colour_view(enhanced, self.blur)),
            "tv": total_variation_loss(enhanced),
        }

    def critic_losses(self, networks: Networks, scene: Scene) -> Losses:
        """Compute the critic's losses, with real and fake photos in one call."""
        both = torch.cat([scene.batch.target, scene.enhanced.detach()])
        both.requires_grad_(self.adversary.penalises(scene.batch.step))
        views, real = texture_view(both), len(scene.batch.target)
        return self.adversary.critic_losses("texture", networks["critic"](views), real, views)
