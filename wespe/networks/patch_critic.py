"""Small critics with one output per image patch (PatchGAN, Isola et al. 2017, §3.2.2)."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from wespe.views import colour_view, texture_view

COLOUR_GAIN, TEXTURE_GAIN = 2.0, 8.0


@dataclass(frozen=True, kw_only=True)
class PatchCriticConfig:
    """Size of the critic.

    width: channels of the first layer; each further layer doubles them.
    halvings: number of layers that halve the resolution.
    """

    width: int = 24
    halvings: int = 3

    def __post_init__(self) -> None:
        for name in ("width", "halvings"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


class PatchCritic(nn.Module):
    """views (n, channels, h, w) → logits (n, places), with spectral norm (Miyato et al. 2018)."""

    def __init__(self, config: PatchCriticConfig, *, channels: int):
        super().__init__()
        layers: list[nn.Module] = []
        for level in range(config.halvings):
            width = config.width * 2**level
            layers += [spectral_norm(nn.Conv2d(channels, width, 4, 2, 1)), nn.LeakyReLU(0.2)]
            channels = width
        # No bias: the hinge loss has no gradient for it while the critic is unsure.
        last = nn.Conv2d(channels, 1, 3, 1, 1, bias=False)
        self.layers = nn.Sequential(*layers, spectral_norm(last), nn.Flatten())

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        return self.layers(views)


class Critics(nn.Module):
    """One patch critic on colour views and one on texture views."""

    def __init__(self, config: PatchCriticConfig):
        super().__init__()
        self.colour = PatchCritic(config, channels=3)
        self.texture = PatchCritic(config, channels=1)

    def forward(self, colour: torch.Tensor, texture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.colour(colour), self.texture(texture)


def critic_views(photos_nchw: torch.Tensor, blur: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the critics' inputs: blurred colours, and luma minus blurred luma.

    blur: 1-D taps from `gaussian_kernel`.
    Both are scaled to about −1 to 1, since spectral norm limits how strongly a critic can respond to small
    differences.
    """
    blurred = colour_view(photos_nchw, blur)
    texture = texture_view(photos_nchw) - texture_view(blurred)
    return COLOUR_GAIN * (blurred - 0.5), TEXTURE_GAIN * texture
