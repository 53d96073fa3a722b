"""The batch of patches, or of whole photos, that a method learns from."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Batch:
    """Patches of the camera and of the target, or whole photos if `Method.whole_photos`.

    source, target: photos_nchw, float 0–1. For a paired method, source[i] and target[i] show the same place;
        for other methods they are drawn independently.
    whole: whole photos of the target, reduced to squares; None unless the method needs them.
    total: source patches in this step over all workers. It makes a loss that sums over the batch independent
        of the number of workers.
    step: index of the step, from 0. steps: length of the whole training; None if unknown.
    random: generator for all random numbers that a method draws in this step, on the photos' device. The
        learner seeds it by step, so that a resumed training draws the same numbers.

    To add a tensor, add a field with a default; the learner passes all fields on.
    """

    source: torch.Tensor
    target: torch.Tensor
    total: int
    step: int = 0
    steps: int | None = None
    random: torch.Generator | None = None
    whole: torch.Tensor | None = None


def photos_nchw(patches_nhwc: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """Convert uint8 patches_nhwc to float photos_nchw, 0–1, on `device`."""
    return patches_nhwc.to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255)
