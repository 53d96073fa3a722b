"""WESPE: weakly supervised photo enhancer for digital cameras (Ignatov et al., CVPR Workshops 2018)."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import nn

from wespe.batch import Batch
from wespe.losses import adversarial_loss, content_loss, critic_loss, total_variation_loss
from wespe.method import Losses, Method, Networks, Turn
from wespe.networks.critic import Critic, CriticConfig
from wespe.networks.generator import Generator, GeneratorConfig
from wespe.networks.vgg import ContentConfig, VGGFeatures
from wespe.views import colour_view, gaussian_kernel, texture_view


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Factors of eq. 6; `direct` is ours.

    direct: content between x and G(x) itself. Eq. 6 compares x with F(G(x)) only, so an inverted or
        drifting colour costs nothing there. 0, the paper's, leaves it out.
    """

    content: float = 1.0
    colour: float = 5e-3
    texture: float = 5e-3
    tv: float = 10.0
    direct: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0:
                raise ValueError(f"{name} must be at least 0, not {value}")


@dataclass(frozen=True, kw_only=True)
class WespeConfig:
    """The defaults are the paper's, where it speaks.

    adversarial: "sum" over the batch as in eqs. 3 and 4, or "mean", which is weaker by the batch size.
    blur_sigma_px, blur_taps: the colour critic's view.
    """

    name: Literal["wespe"] = "wespe"
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    critic: CriticConfig = field(default_factory=CriticConfig)
    content: ContentConfig = field(default_factory=ContentConfig)
    weights: LossWeights = field(default_factory=LossWeights)
    adversarial: Literal["sum", "mean"] = "sum"
    blur_sigma_px: float = 3.0
    blur_taps: int = 21

    def __post_init__(self) -> None:
        if self.blur_sigma_px <= 0:
            raise ValueError(f"blur_sigma_px must be above 0, not {self.blur_sigma_px}")
        if self.blur_taps < 1 or self.blur_taps % 2 == 0:
            raise ValueError(f"blur_taps must be odd and at least 1, not {self.blur_taps}")


class Scene(NamedTuple):
    batch: Batch
    enhanced: torch.Tensor
    reconstructed: torch.Tensor


class Wespe(Method):
    """G and F against D_c and D_t (figure 2)."""

    blur: torch.Tensor

    def __init__(self, config: WespeConfig, *, size_px: int):
        super().__init__()
        self.networks = nn.ModuleDict(
            {
                "generators": Generators(config.generator),
                "critics": Critics(config.critic, size_px=size_px),
            }
        )
        self.features = VGGFeatures(config.content)
        self.register_buffer(
            "blur", gaussian_kernel(config.blur_sigma_px, config.blur_taps), persistent=False
        )
        self.sums = config.adversarial == "sum"
        self.direct = config.weights.direct > 0
        self.turns = (
            Turn("generators", self.generator_losses, vars(config.weights)),
            Turn("critics", self.critic_losses, {"colour_critic": 1.0, "texture_critic": 1.0}),
        )

    @property
    def generator(self) -> nn.Module:
        return self.networks["generators"].enhance  # type: ignore[return-value]

    def render(self, networks: Networks, batch: Batch) -> Scene:
        """Enhance the source and map it back: x → y' = G(x) → F(y')."""
        return Scene(batch, *networks["generators"](batch.source))

    def generator_losses(self, networks: Networks, scene: Scene) -> Losses:
        """The four terms of eq. 6."""
        with torch.no_grad():
            content = self.features(scene.batch.source)
        colour, texture = networks["critics"](*self._views(scene.enhanced))
        scale = scene.batch.total if self.sums else 1
        losses = {
            "content": content_loss(content, self.features(scene.reconstructed)),
            "colour": scale * adversarial_loss(colour),
            "texture": scale * adversarial_loss(texture),
            "tv": total_variation_loss(scene.enhanced),
        }
        if self.direct:
            losses["direct"] = content_loss(content, self.features(scene.enhanced))
        return losses

    def critic_losses(self, networks: Networks, scene: Scene) -> Losses:
        """Each critic sees real and fake in one call."""
        both = torch.cat([scene.batch.target, scene.enhanced.detach()])
        colour, texture = networks["critics"](*self._views(both))
        real = len(scene.batch.target)
        return {
            "colour_critic": critic_loss(colour[:real], colour[real:]),
            "texture_critic": critic_loss(texture[:real], texture[real:]),
        }

    def _views(self, photos_nchw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return colour_view(photos_nchw, self.blur), texture_view(photos_nchw)


class Generators(nn.Module):
    """G: camera → target, and F: target → camera."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.enhance = Generator(config)
        self.degrade = Generator(config)

    def forward(self, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        enhanced = self.enhance(source)
        return enhanced, self.degrade(enhanced)


class Critics(nn.Module):
    """D_c on colour views, D_t on texture views."""

    def __init__(self, config: CriticConfig, *, size_px: int):
        super().__init__()
        self.colour = Critic(config, channels=3, size_px=size_px)
        self.texture = Critic(config, channels=1, size_px=size_px)

    def forward(self, colour: torch.Tensor, texture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.colour(colour), self.texture(texture)
