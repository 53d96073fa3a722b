"""Detail at reduced resolution: a residual network without norms, with 1,700 multiply-adds per pixel."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from wespe.kernels.blocks import add_blocks, to_blocks
from wespe.kernels.compiled import suits


@dataclass(frozen=True, kw_only=True)
class RestorerConfig:
    """Size of the network. Its receptive field is `halo_px` pixels around each pixel.

    block_px: the network works on blocks of block_px × block_px pixels; tiles must begin at one.
    width: channels. blocks: number of blocks with two layers each.
    dense: full 3×3 convolutions, at three times the cost; otherwise depthwise 5×5, then 1×1.
    """

    block_px: int = 4
    width: int = 32
    blocks: int = 4
    dense: bool = False

    def __post_init__(self) -> None:
        if self.block_px < 1:
            raise ValueError(f"block_px must be at least 1 pixel, not {self.block_px}")
        if self.width < 1:
            raise ValueError(f"width must be at least 1 channel, not {self.width}")
        if self.blocks < 0:
            raise ValueError(f"blocks must be at least 0, not {self.blocks}")

    @property
    def halo_px(self) -> int:
        """How far around a pixel the network looks."""
        return self.block_px * (1 + 2 * self.blocks) + self.block_px - 1


class Restorer(nn.Module):
    """photos_nchw → photos_nchw, 0–1; initially the identity.

    Tiles match the whole photo if they start at multiples of `block_px` and have a margin of `halo_px`.
    """

    def __init__(self, config: RestorerConfig):
        super().__init__()
        self.halo_px = config.halo_px
        self.block_px = config.block_px
        channels = 3 * config.block_px**2
        self.head = nn.Conv2d(channels, config.width, 3, padding=1)
        self.blocks = nn.Sequential(*(Block(config.width, config.dense) for _ in range(config.blocks)))
        self.tail = nn.Conv2d(config.width, channels, 1)
        self.scale = config.width**-0.5  # or Adam, which moves all weights together, would swing the colour
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        block = self.block_px
        if suits(photos_nchw):
            return add_blocks(
                photos_nchw, self._change(to_blocks(photos_nchw, block, 0.5)), block, self.scale
            )
        height, width = photos_nchw.shape[-2:]
        whole = functional.pad(photos_nchw, (0, -width % block, 0, -height % block), mode="replicate")
        small = functional.pixel_unshuffle(whole - 0.5, block)
        # Faster on CPUs; unshuffling has given up the photo's own channels-last format.
        change = self._change(small.contiguous(memory_format=torch.channels_last)).to(photos_nchw.dtype)
        full = functional.pixel_shuffle(self.scale * change, block)
        return photos_nchw + full[..., :height, :width]

    def _change(self, blocks_nchw: torch.Tensor) -> torch.Tensor:
        return self.tail(self.blocks(torch.relu_(self.head(blocks_nchw))))


class Block(nn.Module):
    """Two convolutions, plus the input."""

    def __init__(self, width: int, dense: bool):
        super().__init__()
        layers = (
            [
                nn.Conv2d(width, width, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv2d(width, width, 3, padding=1),
            ]
            if dense
            else [
                nn.Conv2d(width, width, 5, padding=2, groups=width),
                nn.Conv2d(width, width, 1),
                nn.ReLU(inplace=True),
                nn.Conv2d(width, width, 1),
            ]
        )
        self.body = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x).add_(x)


def multiply_adds_per_pixel(restorer: Restorer) -> float:
    """Return the multiply-adds per pixel of all convolutions, once per block."""
    return (
        sum(m.weight.numel() for m in restorer.modules() if isinstance(m, nn.Conv2d)) / restorer.block_px**2
    )
