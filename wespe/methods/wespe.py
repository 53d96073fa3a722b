"""WESPE: weakly supervised photo enhancer for digital cameras (Ignatov et al., CVPR Workshops 2018)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import nn

from wespe.adversarial import AdversarialConfig, Adversary
from wespe.batch import Batch
from wespe.generator import Generator
from wespe.losses import NonNegative, content_loss, identity_loss, total_variation_loss
from wespe.method import Losses, Method, Networks, Turn
from wespe.networks.critic import Critic, CriticConfig
from wespe.networks.features import ContentConfig, Features
from wespe.networks.resnet import ResNet, ResNetConfig
from wespe.views import BlurConfig, colour_view, gaussian_kernel, texture_view


@dataclass(frozen=True, kw_only=True)
class LossWeights(NonNegative):
    """Weights of the losses in eq. 6. `direct` and `identity` are our additions; 0 disables them.

    direct: content loss between x and G(x). Eq. 6 only compares x with F(G(x)), which does not penalise
        inverted or drifting colours in G(x).
    identity: |G(y) − y|: photos of the target set should not change.
    """

    content: float = 1.0
    colour: float = 5e-3
    texture: float = 5e-3
    tv: float = 10.0
    direct: float = 0.0
    identity: float = 0.0


@dataclass(frozen=True, kw_only=True)
class WespeConfig:
    """The defaults are the paper's, where it states them. blur: of the colour critic's input."""

    name: Literal["wespe"] = "wespe"
    generator: ResNetConfig = field(default_factory=ResNetConfig)
    critic: CriticConfig = field(default_factory=CriticConfig)
    content: ContentConfig = field(default_factory=ContentConfig)
    weights: LossWeights = field(default_factory=LossWeights)
    adversarial: AdversarialConfig = field(default_factory=AdversarialConfig)
    blur: BlurConfig = field(default_factory=BlurConfig)


class Scene(NamedTuple):
    batch: Batch
    enhanced: torch.Tensor
    reconstructed: torch.Tensor
    kept: torch.Tensor | None  # G(y); None without the identity loss


class Wespe(Method):
    """Trains G and F against the critics D_c (colour) and D_t (texture), figure 2."""

    blur: torch.Tensor

    def __init__(
        self, config: WespeConfig, *, size_px: int, features: Mapping[str, torch.Tensor] | None = None
    ):
        super().__init__()
        self.networks = nn.ModuleDict(
            {
                "generators": Generators(config.generator),
                "critics": Critics(config.critic, size_px=size_px),
            }
        )
        self.features = Features(config.content, features)
        self.layer_weights = tuple(config.content.layers.values())
        self.register_buffer("blur", gaussian_kernel(config.blur), persistent=False)
        self.adversary = Adversary(config.adversarial)
        self.direct, self.identity = config.weights.direct > 0, config.weights.identity > 0
        self.turns = (
            Turn("generators", self.generator_losses, vars(config.weights)),
            Turn(
                "critics",
                self.critic_losses,
                self.adversary.weights("colour") | self.adversary.weights("texture"),
            ),
        )

    @property
    def generator(self) -> Generator:
        return self.networks["generators"].enhance  # type: ignore[return-value]

    @property
    def compilable(self) -> list[nn.Module]:
        return [*super().compilable, self.features]

    def render(self, networks: Networks, batch: Batch) -> Scene:
        """Enhance the source, y' = G(x), and reconstruct it, F(y')."""
        target = batch.target if self.identity else batch.target[:0]
        enhanced, reconstructed, kept = networks["generators"](batch.source, target)
        return Scene(batch, enhanced, reconstructed, kept if self.identity else None)

    def generator_losses(self, networks: Networks, scene: Scene) -> Losses:
        """Compute the four terms of eq. 6 and our additions."""
        batch, enhanced = scene.batch, scene.enhanced
        with torch.no_grad():
            content = self.features(batch.source)
        colour, texture = networks["critics"](*self._views(enhanced))
        losses = {
            "content": content_loss(content, self.features(scene.reconstructed), self.layer_weights),
            "colour": self.adversary.generator_loss(colour, batch.total),
            "texture": self.adversary.generator_loss(texture, batch.total),
            "tv": total_variation_loss(enhanced),
        }
        if self.direct:
            losses["direct"] = content_loss(content, self.features(enhanced), self.layer_weights)
        if scene.kept is not None:
            losses["identity"] = identity_loss(batch.target, scene.kept)
        return losses

    def critic_losses(self, networks: Networks, scene: Scene) -> Losses:
        """Compute both critics' losses, with real and fake photos in one call."""
        batch = scene.batch
        both = torch.cat([batch.target, scene.enhanced.detach()])
        both.requires_grad_(self.adversary.penalises(batch.step))
        views = self._views(both)
        colour, texture = networks["critics"](*views)
        real = len(batch.target)
        return self.adversary.critic_losses("colour", colour, real, views[0]) | self.adversary.critic_losses(
            "texture", texture, real, views[1]
        )

    def _views(self, photos_nchw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return colour_view(photos_nchw, self.blur), texture_view(photos_nchw)


class Generators(nn.Module):
    """G (camera → target) and F (target → camera)."""

    def __init__(self, config: ResNetConfig):
        super().__init__()
        self.enhance = ResNet(config)
        self.degrade = ResNet(config)

    def forward(
        self, source: torch.Tensor, target: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return G(source), F(G(source)) and G(target); `target` may be empty."""
        enhanced, kept = self.enhance(torch.cat([source, target])).split([len(source), len(target)])
        return enhanced, self.degrade(enhanced), kept


class Critics(nn.Module):
    """The critics D_c on colour views and D_t on texture views."""

    def __init__(self, config: CriticConfig, *, size_px: int):
        super().__init__()
        self.colour = Critic(config, channels=3, size_px=size_px)
        self.texture = Critic(config, channels=1, size_px=size_px)

    def forward(self, colour: torch.Tensor, texture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.colour(colour), self.texture(texture)
