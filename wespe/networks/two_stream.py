"""A U-Net whose output acts on the photo in two parallel streams, by addition and by multiplication."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional

from wespe.generator import Generator, Place


@dataclass(frozen=True, kw_only=True)
class TwoStreamConfig:
    """Size of the network, and its streams.

    widths: channels by level of the U-Net; each level after the first halves the resolution.
    streams: how the additive component x + b and the multiplicative component x · (1 + a) make the output:
        "parallel", fused by a learned 1×1 convolution; "cascade", x · (1 + a) + b; or one of them alone.
    """

    widths: tuple[int, ...] = (16, 32, 64)
    streams: Literal["parallel", "cascade", "additive", "multiplicative"] = "parallel"

    def __post_init__(self) -> None:
        if not self.widths or min(self.widths) < 1:
            raise ValueError(f"widths must be numbers of at least 1, not {list(self.widths)}")


class TwoStream(Generator):
    """photos_nchw → photos_nchw, float 0–1; initially the identity. No norms, so that tiles match exactly.

    The last layer's output is divided by the square root of its fan-in (equalised learning rate, Karras et
    al. 2018, §4.1). Otherwise one Adam step, which moves all weights by a similar amount, shifts the colours.
    """

    def __init__(self, config: TwoStreamConfig):
        super().__init__()
        self.streams = config.streams
        self.step_px = 2 ** (len(config.widths) - 1)
        first = config.widths[0]
        self.unet = UNet(config.widths)
        self.maps = nn.Conv2d(first, 6 if config.streams in ("parallel", "cascade") else 3, 3, padding=1)
        self.scale = (9 * first) ** -0.5
        nn.init.zeros_(self.maps.weight)
        nn.init.zeros_(self.maps.bias)  # type: ignore[arg-type]
        if config.streams == "parallel":
            self.fuse = nn.Conv2d(6, 3, 1)
            start_as_mean(self.fuse)

    def forward(
        self, photos_nchw: torch.Tensor, decision: Any = None, place: Place | None = None
    ) -> torch.Tensor:
        height, width = photos_nchw.shape[-2:]
        right, below = -width % self.step_px, -height % self.step_px
        padded = functional.pad(photos_nchw, (0, right, 0, below), mode="replicate")
        maps = self.scale * self.maps(self.unet(padded))[..., :height, :width].to(photos_nchw.dtype)
        match self.streams:
            case "additive":
                return photos_nchw + maps
            case "multiplicative":
                return photos_nchw * (1 + maps)
        times, plus = maps.chunk(2, dim=1)
        if self.streams == "cascade":
            return photos_nchw * (1 + times) + plus
        with torch.autocast(photos_nchw.device.type, enabled=False):  # bf16 is too coarse for colours
            return self.fuse(torch.cat([photos_nchw + plus, photos_nchw * (1 + times)], dim=1))


class UNet(nn.Module):
    """photos_nchw → features (n, widths[0], h, w): pooling down, resizing up, concatenated at each level."""

    def __init__(self, widths: tuple[int, ...]):
        super().__init__()
        self.down = nn.ModuleList(_two_layers(a, b) for a, b in pairwise((3, *widths)))
        self.narrow = nn.ModuleList(nn.Conv2d(b, a, 3, padding=1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_layer(2 * width, width) for width in widths[:-1])

    def forward(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        first, *deeper = self.down
        features = first(photos_nchw)
        skips = []
        for layers in deeper:
            skips.append(features)
            features = layers(functional.avg_pool2d(features, 2))
        upwards = zip(skips, self.narrow, self.up, strict=True)
        for skip, narrow, up in reversed(list(upwards)):
            resized = functional.interpolate(narrow(features), scale_factor=2, mode="nearest")
            features = up(torch.cat([skip, resized], dim=1))
        return features


def start_as_mean(fuse: nn.Conv2d) -> None:
    """Initialise a 1×1 convolution as the mean of the two photos among its six input channels."""
    with torch.no_grad():
        fuse.weight.copy_(torch.eye(3).repeat(1, 2)[..., None, None] / 2)
        nn.init.zeros_(fuse.bias)  # type: ignore[arg-type]


def _two_layers(before: int, after: int) -> nn.Module:
    return nn.Sequential(*_layer(before, after), *_layer(after, after))


def _layer(before: int, after: int) -> nn.Sequential:
    conv = nn.Conv2d(before, after, 3, padding=1)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return nn.Sequential(conv, nn.ReLU(inplace=True))
