"""The strided residual network of Johnson et al. (ECCV 2016, supplementary material, table 1)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from wespe.generator import Generator, Place


@dataclass(frozen=True, kw_only=True)
class StridedConfig:
    """The defaults are the paper's.

    width: channels at full resolution; the residual blocks, at a quarter of it, have four times as many.
    """

    width: int = 32
    blocks: int = 5

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width must be at least 1 channel, not {self.width}")
        if self.blocks < 0:
            raise ValueError(f"blocks must be at least 0, not {self.blocks}")


class Strided(Generator):
    """photos_nchw → photos_nchw, float 0–1.

    In eval mode the batch norms are fixed, so that tiles match exactly.
    """

    step_px = 4

    def __init__(self, config: StridedConfig):
        super().__init__()
        width = config.width
        self.layers = nn.Sequential(
            *_layer(3, width, 9),
            *_layer(width, 2 * width, 3, stride=2),
            *_layer(2 * width, 4 * width, 3, stride=2),
            *(Block(4 * width) for _ in range(config.blocks)),
            *_enlarging(4 * width, 2 * width),
            *_enlarging(2 * width, width),
            nn.Conv2d(width, 3, 9, padding=4),
        )

    def forward(
        self, photos_nchw: torch.Tensor, decision: Any = None, place: Place | None = None
    ) -> torch.Tensor:
        height, width = photos_nchw.shape[-2:]
        right, below = -width % self.step_px, -height % self.step_px
        padded = functional.pad(photos_nchw, (0, right, 0, below), mode="replicate")
        output = self.layers(padded)[..., :height, :width].to(photos_nchw.dtype)
        return torch.tanh(output) / 2 + 0.5


class Block(nn.Module):
    """conv 3×3 → batch norm → ReLU → conv 3×3 → batch norm, plus the input."""

    def __init__(self, width: int):
        super().__init__()
        *first, _ = _layer(width, width, 3)
        self.body = nn.Sequential(*_layer(width, width, 3), *first)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


def _enlarging(before: int, after: int) -> list[nn.Module]:
    # The paper's transposed convolutions leave a checkerboard (Odena et al. 2016).
    return [nn.Upsample(scale_factor=2, mode="nearest"), *_layer(before, after, 3)]


def _layer(before: int, after: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    # The norm has a bias of its own.
    conv = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
