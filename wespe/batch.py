"""All that a method sees of the data."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Batch:
    """Patches of the camera and patches of the target set, drawn independently: index i pairs nothing.

    source, target: photos_nchw, float 0–1. `total` counts the source patches of this step over all
    workers, so that a loss that sums over the batch is the same on one worker and on many.
    """

    source: torch.Tensor
    target: torch.Tensor
    total: int


def photos_nchw(patches_nhwc: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """Turn uint8 patches_nhwc into float photos_nchw, 0–1, on `device`."""
    return patches_nhwc.to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255)
