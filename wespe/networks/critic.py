"""The critic: a network that distinguishes target photos from enhanced ones."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from wespe.networks.resnet import start_truncated_normal

CHANNELS = (48, 128, 192, 192, 128)
KERNELS = (11, 5, 3, 3, 3)
STRIDES = (4, 2, 1, 1, 2)
HIDDEN = 1024


@dataclass(frozen=True, kw_only=True)
class CriticConfig:
    """The defaults are the paper's.

    width: multiplies the paper's channel counts.
    norm: "instance" after every convolution except the first, or "none".
    spectral_norm: divides the weights of each layer by their largest singular value (Miyato et al. 2018),
        which limits how fast the critic's output can change. Use it with norm "none".
    start: initialisation: torch's default, or DPED's truncated normal (deviation 0.01, biases 0.01).
    """

    width: float = 1.0
    norm: Literal["instance", "none"] = "instance"
    spectral_norm: bool = False
    start: Literal["torch", "truncated_normal"] = "torch"

    def __post_init__(self) -> None:
        if not 0 < self.width <= 4:
            raise ValueError(f"width must be above 0 and at most 4, not {self.width}")


class Critic(nn.Module):
    """views (n, channels, size_px, size_px) → logits (n,) (§3.6; layers as in DPED's critic)."""

    def __init__(self, config: CriticConfig, *, channels: int, size_px: int):
        super().__init__()
        widths = [max(1, round(config.width * c)) for c in CHANNELS]
        layers: list[nn.Module] = []
        for i, (width, kernel, stride) in enumerate(zip(widths, KERNELS, STRIDES, strict=True)):
            before = channels if i == 0 else widths[i - 1]
            layers += [nn.Conv2d(before, width, kernel, stride, padding=kernel // 2), nn.LeakyReLU(0.2)]
            if i > 0 and config.norm == "instance":
                layers.append(nn.InstanceNorm2d(width, eps=1e-3, affine=True))
        side = size_px
        for stride in STRIDES:
            side = math.ceil(side / stride)
        hidden = max(1, round(config.width * HIDDEN))
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Sequential(
            nn.Linear(widths[-1] * side * side, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 1)
        )
        if config.start == "truncated_normal":
            self.apply(start_truncated_normal)
        if config.spectral_norm:
            for module in [m for m in self.modules() if isinstance(m, nn.Conv2d | nn.Linear)]:
                spectral_norm(module)

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(views)).squeeze(1)
