"""Slicing: reads a bilateral grid at each pixel's place and guide value (Chen et al. 2007)."""

import torch
from torch.nn import functional

from wespe.generator import Place


def sliced(grid: torch.Tensor, guide: torch.Tensor, place: Place | None = None) -> torch.Tensor:
    """Interpolate trilinearly in each photo's grid (§3.3, Gharbi et al. 2017), (n, channels, h, w).

    grid: (n, channels, depth, rows, columns). guide: (n, 1, h, w); 0–1 spans the depth.
    place: position of the tile that the guide belongs to; None for whole photos.
    A cell's value applies at its centre; beyond the outermost centres, the nearest cell's does.
    """
    height, width = guide.shape[-2:]
    place = place or Place(0, 0, height, width)
    down = (torch.arange(height, device=guide.device) + place.top + 0.5) / place.height * 2 - 1
    across = (torch.arange(width, device=guide.device) + place.left + 0.5) / place.width * 2 - 1
    depth = guide[:, 0] * 2 - 1
    places = torch.stack(
        [across.to(guide).expand_as(depth), down.to(guide)[:, None].expand_as(depth), depth], dim=-1
    )
    found = functional.grid_sample(
        grid, places[:, None], mode="bilinear", padding_mode="border", align_corners=False
    )
    return found[:, :, 0]
