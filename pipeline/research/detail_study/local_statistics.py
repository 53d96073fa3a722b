"""`wespe.networks.activity` for training on a GPU: the same results, with kernels kept on the device."""

import math
from functools import lru_cache
from itertools import pairwise

import torch
from torch.nn import functional

from wespe.networks.activity import EDGES_PX, LEAST, RANGE, WINDOWS_PX
from wespe.views import BlurConfig, gaussian_kernel


def bands(luma: torch.Tensor) -> torch.Tensor:
    """Split luma (n, 1, h, w) into differences of Gaussians, (n, 3, h, w)."""
    smoother = [luma, *(blurred(luma, sigma) for sigma in EDGES_PX)]
    return torch.cat([fine - coarse for fine, coarse in pairwise(smoother)], dim=1)


def activity(bands_nchw: torch.Tensor) -> torch.Tensor:
    """Return the log of each band's local deviation, scaled to 0–1."""
    squares = bands_nchw.square().split(1, dim=1)
    spread = torch.cat([blurred(one, sigma) for one, sigma in zip(squares, WINDOWS_PX, strict=True)], dim=1)
    return (spread / LEAST**2 + 1).log() / (2 * RANGE)


def blurred(photos_nchw: torch.Tensor, sigma_px: float) -> torch.Tensor:
    """Blur every channel; border pixels are replicated."""
    count, channels, height, width = photos_nchw.shape
    taps = _taps(sigma_px, photos_nchw.device)
    radius = len(taps) // 2
    planes = photos_nchw.reshape(count * channels, 1, height, width)
    padded = functional.pad(planes, (radius,) * 4, mode="replicate")
    rows = functional.conv2d(padded, taps.view(1, 1, -1, 1))
    return functional.conv2d(rows, taps.view(1, 1, 1, -1)).view(count, channels, height, width)


@lru_cache
def _taps(sigma_px: float, device: torch.device) -> torch.Tensor:
    radius = math.ceil(2.5 * sigma_px)
    return gaussian_kernel(BlurConfig(sigma_px=sigma_px, taps=2 * radius + 1)).to(device)
