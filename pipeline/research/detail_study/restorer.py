"""A cheap detail network: residual, at half resolution, without norms."""

import torch
from torch import nn
from torch.nn import functional

BUDGET = 4000  # multiply-adds per pixel


class Restorer(nn.Module):
    """photos_nchw → photos_nchw, 0–1; initially the identity.

    dense: full 3×3 convolutions; otherwise depthwise 5×5, then 1×1.
    Tiles match the whole photo if they start at even rows and columns and have a margin of `halo_px`.
    """

    def __init__(self, width: int, blocks: int, dense: bool):
        super().__init__()
        self.head = nn.Conv2d(12, width, 3, padding=1)
        self.blocks = nn.Sequential(*(Block(width, dense) for _ in range(blocks)))
        self.tail = nn.Conv2d(width, 12, 1)
        self.scale = width**-0.5
        self.halo_px = 2 + 4 * blocks
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        height, width = photos_nchw.shape[-2:]
        even = functional.pad(photos_nchw, (0, width % 2, 0, height % 2), mode="replicate")
        halves = functional.pixel_unshuffle(even - 0.5, 2)
        change = self.tail(self.blocks(torch.relu(self.head(halves)))).to(photos_nchw.dtype)
        full = functional.pixel_shuffle(self.scale * change, 2)
        return photos_nchw + full[..., :height, :width]


class Block(nn.Module):
    """Two convolutions, plus the input."""

    def __init__(self, width: int, dense: bool):
        super().__init__()
        layers = (
            [
                nn.Conv2d(width, width, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=1),
            ]
            if dense
            else [
                nn.Conv2d(width, width, 5, padding=2, groups=width),
                nn.Conv2d(width, width, 1),
                nn.ReLU(),
                nn.Conv2d(width, width, 1),
            ]
        )
        self.body = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


def multiply_adds_per_pixel(restorer: Restorer) -> float:
    """Return the multiply-adds per pixel of all convolutions, which run on a quarter of the pixels."""
    return sum(m.weight.numel() for m in restorer.modules() if isinstance(m, nn.Conv2d)) / 4
