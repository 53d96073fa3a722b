"""All that a method sees of the data."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Batch:
    """Patches of the camera, and what they should look like.

    source, target: photos_nchw, float 0–1. For a paired method index i of both shows the same place; for
        the others they are drawn independently, and index i pairs nothing.
    total: source patches of this step over all workers, so that a loss that sums over the batch is the
        same on one worker and on many.
    step: how many came before.
    random: for whatever a method draws in this step. The learner seeds it by the step, so that a resumed
        training draws the same; it lies on the photos' device.

    A further tensor is a further field with a default: the learner hands all fields on.
    """

    source: torch.Tensor
    target: torch.Tensor
    total: int
    step: int = 0
    random: torch.Generator | None = None


def photos_nchw(patches_nhwc: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """Turn uint8 patches_nhwc into float photos_nchw, 0–1, on `device`."""
    return patches_nhwc.to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255)
