"""The U-Net of Deep Photo Enhancer (Chen et al. 2018): local features joined with one vector per photo."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from wespe.generator import Generator, Place
from wespe.networks.change import Change, apply_change, fit_change
from wespe.networks.thumbnail import thumbnails

Role = Literal["photo", "rendered"]
ROLES: tuple[Role, ...] = ("photo", "rendered")  # a generator's input in the first and second half of a cycle


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """The widths are the paper's.

    widths: channels; each layer but the first halves the side.
    thumbnail_px: side of the square to which photos are reduced, for training as well; at most 192. The
        paper's photos have 512 px.
    """

    widths: tuple[int, ...] = (16, 32, 64, 128, 128)
    thumbnail_px: int = 192

    def __post_init__(self) -> None:
        if len(self.widths) < 2 or min(self.widths) < 1:
            raise ValueError(f"widths must be at least two numbers of at least 1, not {self.widths}")
        if self.thumbnail_px < (least := 2 ** len(self.widths)):
            raise ValueError(
                f"thumbnail_px must be at least {least}, not {self.thumbnail_px}; or give fewer widths"
            )


class Layer(nn.Module):
    """Convolution → SELU → batch norm. Each role has a norm of its own (individual batch norm)."""

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1):
        super().__init__()
        # Zeros beyond the border would be black, and frame the result.
        self.conv = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, padding_mode="replicate")
        self.norms = nn.ModuleDict({role: nn.BatchNorm2d(after) for role in ROLES})

    def forward(self, features: torch.Tensor, role: Role) -> torch.Tensor:
        return self.norms[role](functional.selu(self.conv(features)))


class UNet(nn.Module):
    """photos_nchw → photos_nchw, squares of any side; initially the identity."""

    def __init__(self, config: UNetConfig):
        super().__init__()
        first, *_, width = widths = config.widths
        self.encoder = nn.ModuleList(
            Layer(before, after, 5, stride=1 if level == 0 else 2)
            for level, (before, after) in enumerate(pairwise((3, *widths)))
        )
        self.whole = nn.Sequential(
            nn.Conv2d(width, width, 5, stride=2, padding=2, padding_mode="replicate"),
            nn.SELU(),
            nn.Conv2d(width, width, 5, stride=2, padding=2, padding_mode="replicate"),
            nn.SELU(),
        )
        self.summary = nn.Sequential(nn.Linear(width, width), nn.SELU(), nn.Linear(width, width))
        self.joint = Layer(2 * width, width, 3)
        self.decoder = nn.ModuleList(Layer(deep + skip, skip, 3) for deep, skip in pairwise(reversed(widths)))
        self.output = nn.Conv2d(first, 3, 1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)  # type: ignore[arg-type]

    def forward(self, photos_nchw: torch.Tensor, role: Role) -> torch.Tensor:
        features, skips = photos_nchw, []
        for layer in self.encoder:
            features = layer(features, role)
            skips.append(features)
        summary = self.summary(self.whole(features).mean((2, 3)))[:, :, None, None]
        features = self.joint(torch.cat([features, summary.expand_as(features)], 1), role)
        for layer, skip in zip(self.decoder, reversed(skips[:-1]), strict=True):
            enlarged = functional.interpolate(features, skip.shape[-2:])
            features = layer(torch.cat([enlarged, skip], 1), role)
        return photos_nchw + self.output(features).to(photos_nchw.dtype)


class ThumbnailUNet(Generator):
    """Enhances the reduced photo with a U-Net, and changes the photo likewise at its full size."""

    decides = True

    def __init__(self, config: UNetConfig):
        super().__init__()
        self.unet = UNet(config)
        self.thumbnail_px = config.thumbnail_px

    def decide(self, strips_nchw: Iterable[torch.Tensor]) -> Change:
        """Enhance reduced whole photos. Never in bfloat16, so that all machines decide alike."""
        reduced = thumbnails(strips_nchw, self.thumbnail_px)
        with torch.autocast(reduced.device.type, enabled=False):
            return fit_change(reduced, self.unet(reduced, "photo"))

    def forward(
        self, photos_nchw: torch.Tensor, decision: Change | None = None, place: Place | None = None
    ) -> torch.Tensor:
        with torch.autocast(photos_nchw.device.type, enabled=False):
            return apply_change(photos_nchw, decision or self.decide([photos_nchw]), place)
