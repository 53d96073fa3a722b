"""WESPE: weakly supervised photo enhancer for digital cameras (Ignatov et al., CVPR Workshops 2018)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import nn

from wespe.adversarial import AdversarialConfig, Adversary
from wespe.batch import Batch
from wespe.generator import Generator
from wespe.losses import content_loss, identity_loss, total_variation_loss
from wespe.method import Losses, Method, Networks, Turn
from wespe.networks.critic import Critic, CriticConfig
from wespe.networks.features import ContentConfig, Features
from wespe.networks.resnet import ResNet, ResNetConfig
from wespe.views import BlurConfig, colour_view, gaussian_kernel, texture_view


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Factors of eq. 6; `direct` and `identity` are ours, and 0 leaves them out.

    direct: content between x and G(x) itself. Eq. 6 compares x with F(G(x)) only, so an inverted or
        drifting colour costs nothing there.
    identity: of |G(y) − y|: a photo of the target set needs no change.
    """

    content: float = 1.0
    colour: float = 5e-3
    texture: float = 5e-3
    tv: float = 10.0
    direct: float = 0.0
    identity: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0:
                raise ValueError(f"{name} must be at least 0, not {value}")


@dataclass(frozen=True, kw_only=True)
class WespeConfig:
    """The defaults are the paper's, where it speaks. blur: the colour critic's view."""

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
    kept: torch.Tensor | None  # G(y), if the identity is wanted


class Wespe(Method):
    """G and F against D_c and D_t (figure 2)."""

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
        """Enhance the source and map it back: x → y' = G(x) → F(y')."""
        target = batch.target if self.identity else batch.target[:0]
        enhanced, reconstructed, kept = networks["generators"](batch.source, target)
        return Scene(batch, enhanced, reconstructed, kept if self.identity else None)

    def generator_losses(self, networks: Networks, scene: Scene) -> Losses:
        """The four terms of eq. 6, and ours."""
        batch, enhanced = scene.batch, scene.enhanced
        with torch.no_grad():
            content = self.features(batch.source)
        colour, texture = networks["critics"](*self._views(enhanced))
        losses = {
            "content": content_loss(content, self.features(scene.reconstructed), self.layer_weights),
            "colour": self.adversary.fool(colour, batch.total),
            "texture": self.adversary.fool(texture, batch.total),
            "tv": total_variation_loss(enhanced),
        }
        if self.direct:
            losses["direct"] = content_loss(content, self.features(enhanced), self.layer_weights)
        if scene.kept is not None:
            losses["identity"] = identity_loss(batch.target, scene.kept)
        return losses

    def critic_losses(self, networks: Networks, scene: Scene) -> Losses:
        """Each critic sees real and fake in one call."""
        batch = scene.batch
        both = torch.cat([batch.target, scene.enhanced.detach()])
        both.requires_grad_(self.adversary.penalises(batch.step))
        views = self._views(both)
        colour, texture = networks["critics"](*views)
        real = len(batch.target)
        return self.adversary.judge("colour", colour, real, views[0]) | self.adversary.judge(
            "texture", texture, real, views[1]
        )

    def _views(self, photos_nchw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return colour_view(photos_nchw, self.blur), texture_view(photos_nchw)


class Generators(nn.Module):
    """G: camera → target, and F: target → camera."""

    def __init__(self, config: ResNetConfig):
        super().__init__()
        self.enhance = ResNet(config)
        self.degrade = ResNet(config)

    def forward(
        self, source: torch.Tensor, target: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """G(source), F(G(source)), G(target); `target` may be empty."""
        enhanced, kept = self.enhance(torch.cat([source, target])).split([len(source), len(target)])
        return enhanced, self.degrade(enhanced), kept


class Critics(nn.Module):
    """D_c on colour views, D_t on texture views."""

    def __init__(self, config: CriticConfig, *, size_px: int):
        super().__init__()
        self.colour = Critic(config, channels=3, size_px=size_px)
        self.texture = Critic(config, channels=1, size_px=size_px)

    def forward(self, colour: torch.Tensor, texture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.colour(colour), self.texture(texture)
