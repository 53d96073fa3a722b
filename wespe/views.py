"""What a critic looks at: colour without texture, texture without colour."""

import torch
from torch.nn import functional

LUMA_WEIGHTS = (0.299, 0.587, 0.114)


def colour_view(photos_nchw: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Blur each channel with a separable Gaussian, reflecting at the borders (eq. 2, Ignatov et al. 2018).

    kernel: 1-D taps from `gaussian_kernel`.
    """
    channels, radius = photos_nchw.shape[1], kernel.numel() // 2
    taps = kernel.to(photos_nchw).expand(channels, 1, -1)
    padded = functional.pad(photos_nchw, (radius,) * 4, mode="reflect")
    rows = functional.conv2d(padded, taps[:, :, None, :], groups=channels)
    return functional.conv2d(rows, taps[:, :, :, None], groups=channels)


def texture_view(photos_nchw: torch.Tensor) -> torch.Tensor:
    """Luma of RGB photos, (n, 1, h, w) (ITU-R BT.601)."""
    weights = photos_nchw.new_tensor(LUMA_WEIGHTS).view(1, 3, 1, 1)
    return (photos_nchw * weights).sum(dim=1, keepdim=True)


def gaussian_kernel(sigma_px: float, taps: int) -> torch.Tensor:
    """Taps of a 1-D Gaussian that sum to 1.

    Eq. 2 prints the amplitude 0.053, which would make the 2-D weights sum to 2.99 and clip every photo;
    no implementation uses it.
    """
    offsets = torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2
    weights = torch.exp(-(offsets**2) / (2 * sigma_px**2))
    return (weights / weights.sum()).float()
