"""Local activity of luma in three frequency bands: low activity is mostly noise, high activity is detail."""

import math
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from wespe.views import BlurConfig, gaussian_kernel, texture_view

# Standard deviations, in pixels, of the Gaussians that split luma into bands, and that average each band.
EDGES_PX = (1.0, 2.0, 4.0)
WINDOWS_PX = (1.5, 2.0, 4.0)
LEAST, GREATEST = 1e-4, 0.5  # local deviation at activity 0 (1/40 level) and 1 (black and white stripes)
RANGE = math.log(GREATEST / LEAST)
BLOCK_PX = 16  # noise is estimated from the least active blocks of this size …
QUIET_SHARE = 0.1  # … namely from this share of them


class Noise(NamedTuple):
    """Noise of photos.

    floor: activity of the least active blocks before the colour transform, per band, (n, 3, 1, 1).
    louder: factor by which tone curves and gain amplify the noise at each pixel, (n, 1, h, w).
    """

    floor: torch.Tensor
    louder: torch.Tensor


def bands(luma: torch.Tensor) -> torch.Tensor:
    """Split luma (n, 1, h, w) into differences of Gaussians, (n, 3, h, w)."""
    smoother = [luma, *(blurred(luma, sigma) for sigma in EDGES_PX)]
    return torch.cat([fine - coarse for fine, coarse in pairwise(smoother)], dim=1)


def activity(bands_nchw: torch.Tensor) -> torch.Tensor:
    """Return the log of each band's local deviation, scaled so that LEAST → 0 and GREATEST → 1."""
    squares = bands_nchw.square().split(1, dim=1)
    spread = [blurred(one, sigma) for one, sigma in zip(squares, WINDOWS_PX, strict=True)]
    return as_activity(torch.cat(spread, dim=1))


def as_activity(squares: torch.Tensor) -> torch.Tensor:
    """Convert local mean squares of bands to activity."""
    return (squares / LEAST**2 + 1).log() / (2 * RANGE)


def block_activity(photos_nchw: torch.Tensor) -> torch.Tensor:
    """Return the activity of each complete block at three scales, (n, 3, rows, columns).

    Approximates `activity` at a fraction of the cost; a block needs no pixels from outside.
    """
    finer = _at_least_a_block(texture_view(photos_nchw))
    squares = []
    for step in (2, 4, 8):
        coarser = functional.avg_pool2d(finer, 2)
        level = functional.interpolate(coarser, scale_factor=2.0, mode="nearest")
        inside = finer[..., : level.shape[2], : level.shape[3]] - level
        squares.append(functional.avg_pool2d(inside.square(), 2 * BLOCK_PX // step))
        finer = coarser
    return as_activity(torch.cat(squares, dim=1))


def block_means(planes_nchw: torch.Tensor) -> torch.Tensor:
    """Return the mean of each complete block; a photo smaller than a block counts as one."""
    return functional.avg_pool2d(_at_least_a_block(planes_nchw), BLOCK_PX)


def _at_least_a_block(planes_nchw: torch.Tensor) -> torch.Tensor:
    short = [max(0, BLOCK_PX - side) for side in planes_nchw.shape[-2:]]
    if not any(short):
        return planes_nchw
    return functional.pad(planes_nchw, (0, short[1], 0, short[0]), mode="replicate")


def quietest(blocks_nchw: torch.Tensor) -> torch.Tensor:
    """Return the 10 % quantile of block activity, (n, 3, 1, 1)."""
    blocks = blocks_nchw.flatten(2).sort(dim=2).values
    count = torch.ones_like(blocks[0, 0]).sum()  # as a tensor, so that an exported graph accepts any size
    place = (QUIET_SHARE * (count - 1)).long().view(1)
    return blocks.index_select(2, place)[..., None]


def blurred(planes_nchw: torch.Tensor, sigma_px: float) -> torch.Tensor:
    """Blur each channel with a Gaussian; border pixels are replicated."""
    taps = gaussian_kernel(_blur(sigma_px), planes_nchw.device).to(planes_nchw)
    padded = functional.pad(planes_nchw, (taps.numel() // 2,) * 4, mode="replicate")
    # One plane at a time: a convolution by groups takes many times as long on a CPU.
    planes = [
        functional.conv2d(functional.conv2d(plane, taps.view(1, 1, -1, 1)), taps.view(1, 1, 1, -1))
        for plane in padded.split(1, dim=1)
    ]
    return planes[0] if len(planes) == 1 else torch.cat(planes, dim=1)


@cache
def gaussian_taps(sigma_px: float) -> np.ndarray:
    """Return the taps of `blurred`, float32."""
    return gaussian_kernel(_blur(sigma_px)).numpy()


def _blur(sigma_px: float) -> BlurConfig:
    return BlurConfig(sigma_px=sigma_px, taps=2 * math.ceil(2.5 * sigma_px) + 1)
