"""Texture without training: each band of luma gets the local activity that the target set has."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from wespe.networks.lut import LEVELS, apply_curves
from wespe.views import BlurConfig, gaussian_kernel, texture_view

# Deviations, in pixels, of the Gaussians between the bands, and of those that measure a band's activity.
EDGES_PX = (1.0, 2.0, 4.0)
WINDOWS_PX = (1.5, 2.0, 4.0)
LEAST, GREATEST = 1e-4, 0.5  # activity, of 0–1: a fortieth of a level, and stripes of black and white
RANGE = math.log(GREATEST / LEAST)


@dataclass(frozen=True, kw_only=True)
class TextureConfig:
    """How far texture moves to the target's.

    match: from a photo's own activity (0) to what the match of the sets asks for (1), in its logarithm.
    most: how much a band may grow, at most. It may shrink to nothing, as noise does.
    """

    match: float = 0.8
    most: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.match <= 1:
            raise ValueError(f"match must be at least 0 and at most 1, not {self.match}")
        if self.most < 1:
            raise ValueError(f"most must be at least 1, not {self.most}")


class Texture(nn.Module):
    """photos_nchw → photos_nchw, 0–1: scales each band of luma by a gain that depends on its activity there.

    Flat areas hold noise, busy ones detail; the two sets differ in both, and monotone matching of how active
    places are (as a histogram match does with levels) takes away the one and gives the other.
    gains: (3, 256) by band and level of activity; ones until they are fitted, and kept with the weights.
    """

    gains: torch.Tensor

    def __init__(self, config: TextureConfig):
        super().__init__()
        self.config = config
        self.register_buffer("gains", torch.ones(len(EDGES_PX), LEVELS))

    def forward(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        with torch.autocast(photos_nchw.device.type, enabled=False):
            split = bands(photos_nchw)
            gains = apply_curves(activity(split), self.gains)
            return (photos_nchw + (split * (gains - 1)).sum(1, keepdim=True)).clamp(0, 1)


def bands(photos_nchw: torch.Tensor) -> torch.Tensor:
    """What each Gaussian takes from luma beyond the one before, (n, 3, h, w)."""
    luma = texture_view(photos_nchw)
    smoother = [luma, *(blurred(luma, sigma) for sigma in EDGES_PX)]
    return torch.cat([fine - coarse for fine, coarse in pairwise(smoother)], dim=1)


def activity(bands_nchw: torch.Tensor) -> torch.Tensor:
    """How much a band deviates around each pixel: its logarithm, as 0–1 from LEAST to GREATEST."""
    squares = bands_nchw.square().split(1, dim=1)
    spread = [blurred(one, sigma) for one, sigma in zip(squares, WINDOWS_PX, strict=True)]
    return (torch.cat(spread, dim=1) / LEAST**2 + 1).log() / (2 * RANGE)


def blurred(planes_nchw: torch.Tensor, sigma_px: float) -> torch.Tensor:
    """Blur one channel; borders go on as they are, for photos of any size."""
    radius = math.ceil(2.5 * sigma_px)
    taps = gaussian_kernel(BlurConfig(sigma_px=sigma_px, taps=2 * radius + 1)).to(planes_nchw)
    padded = functional.pad(planes_nchw, (radius,) * 4, mode="replicate")
    return functional.conv2d(functional.conv2d(padded, taps.view(1, 1, -1, 1)), taps.view(1, 1, 1, -1))
