"""Detail at full resolution: a small residual network without norms, so that tiles match exactly."""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True, kw_only=True)
class DetailConfig:
    """Size of the network. Its receptive field is 2 + 2 · blocks pixels around each pixel."""

    width: int = 16
    blocks: int = 2

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width must be at least 1 channel, not {self.width}")
        if self.blocks < 0:
            raise ValueError(f"blocks must be at least 0, not {self.blocks}")

    @property
    def halo_px(self) -> int:
        """Receptive field around each pixel."""
        return 2 + 2 * self.blocks


class Detail(nn.Module):
    """photos_nchw → photos_nchw: photo · (1 + a) + b, where the network's outputs a and b are zero at first.

    They are divided by the square root of the last layer's fan-in (equalised learning rate, Karras et al.
    2018, §4.1). Otherwise one Adam step, which moves all weights by a similar amount, shifts the colours.
    """

    def __init__(self, config: DetailConfig):
        super().__init__()
        width = config.width
        self.halo_px = config.halo_px
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(config.blocks)))
        self.tail = nn.Conv2d(width, 6, 3, padding=1)
        self.scale = (9 * width) ** -0.5
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        streams = self.tail(self.blocks(torch.relu_(self.head(photos_nchw)))).to(photos_nchw.dtype)
        times, plus = (self.scale * streams).chunk(2, dim=1)
        return photos_nchw + photos_nchw * times + plus


class Block(nn.Module):
    """conv 3×3 → ReLU → conv 3×3, plus the input."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x).add_(x)
