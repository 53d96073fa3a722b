"""The critic of Deep Photo Enhancer (Chen et al. 2018): one score for a whole photo."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import nn


@dataclass(frozen=True, kw_only=True)
class PhotoCriticConfig:
    """The defaults are the paper's.

    widths: channels; each layer but the first halves the side.
    norm: "instance" after every convolution, or "none". Instance norm removes each channel's mean and scale,
        with which most of a photo's brightness and contrast is lost.
    """

    widths: tuple[int, ...] = (16, 32, 64, 128, 128, 128)
    norm: Literal["instance", "none"] = "instance"

    def __post_init__(self) -> None:
        if not self.widths or min(self.widths) < 1:
            raise ValueError(f"widths must be numbers of at least 1, not {self.widths}")


class PhotoCritic(nn.Module):
    """photos (n, 3, size_px, size_px) → scores (n,)."""

    def __init__(self, config: PhotoCriticConfig, *, size_px: int):
        super().__init__()
        layers: list[nn.Module] = []
        side, width = size_px, config.widths[-1]
        for level, (before, after) in enumerate(pairwise((3, *config.widths))):
            kernel, stride = (3, 1) if level == 0 else (5, 2)
            layers += [nn.Conv2d(before, after, kernel, stride, padding=kernel // 2), nn.LeakyReLU(0.2)]
            side = -(-side // stride)
            if config.norm == "instance":
                layers.append(nn.InstanceNorm2d(after, affine=True))
        self.layers = nn.Sequential(*layers, nn.Flatten())
        # No bias in the last layer: a Wasserstein critic's scores have no origin.
        self.head = nn.Sequential(
            nn.Linear(width * side * side, width), nn.LeakyReLU(0.2), nn.Linear(width, 1, bias=False)
        )

    def forward(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(photos_nchw)).squeeze(1)
