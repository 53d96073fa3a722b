"""HDRNet without pairs: the network of Gharbi et al. (2017), taught by critics of colour and of texture."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import nn

from wespe.adversarial import AdversarialConfig, Adversary
from wespe.batch import Batch
from wespe.generator import Generator
from wespe.losses import NonNegative, content_loss, identity_loss
from wespe.method import Losses, Method, Networks, Turn
from wespe.networks.bilateral import Bilateral, BilateralConfig
from wespe.networks.features import ContentConfig, Features
from wespe.networks.patch_critic import Critics, PatchCriticConfig, critic_views
from wespe.views import BlurConfig, gaussian_kernel


@dataclass(frozen=True, kw_only=True)
class LossWeights(NonNegative):
    """Weights of the losses.

    content: between the photo and the enhanced one; keeps what the photo shows.
    identity: |G(y) − y|: good photos should not change.
    """

    content: float = 0.05
    colour: float = 1.0
    texture: float = 0.02
    identity: float = 0.5


@dataclass(frozen=True, kw_only=True)
class HdrnetUnpairedConfig:
    """The network is that of `hdrnet`; critics and their losses are those of `lut_residual`."""

    name: Literal["hdrnet_unpaired"] = "hdrnet_unpaired"
    generator: BilateralConfig = field(default_factory=BilateralConfig)
    critic: PatchCriticConfig = field(default_factory=PatchCriticConfig)
    content: ContentConfig = field(default_factory=lambda: ContentConfig(layers={"relu3_1": 1.0}))
    weights: LossWeights = field(default_factory=LossWeights)
    adversarial: AdversarialConfig = field(
        default_factory=lambda: AdversarialConfig(loss="hinge", reduction="mean")
    )
    blur: BlurConfig = field(default_factory=BlurConfig)


class Scene(NamedTuple):
    """kept: the generator's output for the target."""

    batch: Batch
    enhanced: torch.Tensor
    kept: torch.Tensor


class HdrnetUnpaired(Method):
    """Trains the network against a colour critic and a texture critic, on whole photos of two sets."""

    whole_photos: ClassVar[bool] = True
    blur: torch.Tensor

    def __init__(
        self,
        config: HdrnetUnpairedConfig,
        *,
        size_px: int,
        features: Mapping[str, torch.Tensor] | None = None,
    ):
        super().__init__()
        self.networks = nn.ModuleDict(
            {"generator": Bilateral(config.generator), "critics": Critics(config.critic)}
        )
        self.features = Features(config.content, features)
        self.layer_weights = tuple(config.content.layers.values())
        self.register_buffer("blur", gaussian_kernel(config.blur), persistent=False)
        self.adversary = Adversary(config.adversarial)
        judged = self.adversary.weights("colour") | self.adversary.weights("texture")
        self.turns = (
            Turn("generator", self.generator_losses, vars(config.weights)),
            Turn("critics", self.critic_losses, judged),
        )

    @property
    def generator(self) -> Generator:
        return self.networks["generator"]  # type: ignore[return-value]

    @property
    def compilable(self) -> list[nn.Module]:
        return [*super().compilable, self.features]

    def render(self, networks: Networks, batch: Batch) -> Scene:
        both = networks["generator"](torch.cat([batch.source, batch.target]))
        return Scene(batch, *both.split([len(batch.source), len(batch.target)]))

    def generator_losses(self, networks: Networks, scene: Scene) -> Losses:
        """Compute all terms of the total loss."""
        batch, enhanced = scene.batch, scene.enhanced
        with torch.no_grad():
            content = self.features(batch.source)
        # As a user gets them: no critic has seen tones outside 0–1, and it might take them for very good.
        colour, texture = networks["critics"](*critic_views(enhanced.clamp(0, 1), self.blur))
        return {
            "content": content_loss(content, self.features(enhanced), self.layer_weights),
            "colour": self.adversary.generator_loss(colour, batch.total),
            "texture": self.adversary.generator_loss(texture, batch.total),
            "identity": identity_loss(batch.target, scene.kept),
        }

    def critic_losses(self, networks: Networks, scene: Scene) -> Losses:
        """Compute both critics' losses, with real and fake photos in one call."""
        batch = scene.batch
        both = torch.cat([batch.target, scene.enhanced.detach().clamp(0, 1)])
        both.requires_grad_(self.adversary.penalises(batch.step))
        views, real = critic_views(both, self.blur), len(batch.target)
        colour, texture = networks["critics"](*views)
        return self.adversary.critic_losses("colour", colour, real, views[0]) | self.adversary.critic_losses(
            "texture", texture, real, views[1]
        )
