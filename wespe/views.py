"""The critics' inputs: colour without texture (blurred), and texture without colour (luma)."""

from dataclasses import dataclass

import torch
from torch.nn import functional

LUMA_WEIGHTS = (0.299, 0.587, 0.114)


@dataclass(frozen=True, kw_only=True)
class BlurConfig:
    """The Gaussian blur of eq. 2.

    amplitude: the factor A, the centre weight of the 2-D kernel. None normalises the sum of the weights to 1.
        The paper prints 0.053; these weights sum to 2.99 and would make every photo three times as bright. No
        implementation uses it.
    """

    sigma_px: float = 3.0
    taps: int = 21
    amplitude: float | None = None

    def __post_init__(self) -> None:
        if self.sigma_px <= 0:
            raise ValueError(f"sigma_px must be above 0, not {self.sigma_px}")
        if self.taps < 1 or self.taps % 2 == 0:
            raise ValueError(f"taps must be odd and at least 1, not {self.taps}")
        if self.amplitude is not None and self.amplitude <= 0:
            raise ValueError(f"amplitude must be above 0, not {self.amplitude}")


def colour_view(photos_nchw: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Blur each channel with a separable Gaussian, reflecting at the borders (eq. 2, Ignatov et al. 2018).

    kernel: 1-D taps from `gaussian_kernel`.
    """
    channels, radius = photos_nchw.shape[1], kernel.numel() // 2
    taps = kernel.to(photos_nchw).expand(channels, 1, -1)
    # bf16 is too coarse for shades of colour, and grouped convolutions in bf16 take minutes on CPUs.
    with torch.autocast(photos_nchw.device.type, enabled=False):
        padded = functional.pad(photos_nchw, (radius,) * 4, mode="reflect")
        rows = functional.conv2d(padded, taps[:, :, None, :], groups=channels)
        return functional.conv2d(rows, taps[:, :, :, None], groups=channels)


def frequency_bands(photos_nchw: torch.Tensor, kernel: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Split photos into low (blurred) and high frequencies, which sum to the photo; high ones lie in −1–1."""
    low = colour_view(photos_nchw, kernel)
    return low, photos_nchw - low


def texture_view(photos_nchw: torch.Tensor) -> torch.Tensor:
    """Luma of RGB photos, (n, 1, h, w) (ITU-R BT.601)."""
    planes = photos_nchw.split(1, dim=1)
    # Plain numbers instead of a tensor: copying a tensor to the GPU would synchronise in every step.
    return sum(weight * plane for weight, plane in zip(LUMA_WEIGHTS, planes, strict=True))  # type: ignore[return-value]


def gaussian_kernel(config: BlurConfig, device: torch.device | None = None) -> torch.Tensor:
    """Return the taps of a 1-D Gaussian; applied along x and y they form the 2-D kernel of eq. 2.

    They are computed on the device, since copying them there would wait for it.
    """
    offsets = torch.arange(config.taps, dtype=torch.float64, device=device) - (config.taps - 1) / 2
    weights = torch.exp(-(offsets**2) / (2 * config.sigma_px**2))
    scale = 1 / weights.sum() if config.amplitude is None else config.amplitude**0.5
    return (scale * weights).float()
