"""Light and colour that vary over a photo, decided from the whole photo at low resolution.

A bilateral grid (Chen et al. 2007; predicted by a network as in HDRNet, Gharbi et al. 2017) gives each pixel
a gain that depends on its place and brightness. Unlike HDRNet's affine colours, it only holds one number,
and the gain acts through a curve that keeps black and white: nothing clips, and greys stay grey. The colours
of the whole photo are changed alike everywhere.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from wespe.generator import Place
from wespe.kernels.compiled import suits
from wespe.kernels.lit import lit
from wespe.networks.slicing import sliced
from wespe.networks.tone import saturated
from wespe.views import texture_view

MOST_STOPS = 2.0  # of the gain at a pixel
MOST_HAZE = 0.3  # 0–1
GLOBALS = 5  # three channels, haze, saturation
SLOPE = 0.1  # of the leaky ReLUs


@dataclass(frozen=True, kw_only=True)
class LightConfig:
    """Size of the network.

    widths: channels; each layer halves the side. The grid has as many cells as the last layer.
    depth: cells of the grid along brightness.
    """

    widths: tuple[int, ...] = (8, 12, 16, 24)
    depth: int = 8

    def __post_init__(self) -> None:
        if not self.widths or min(self.widths) < 1:
            raise ValueError(f"widths must be numbers of at least 1, not {self.widths}")
        if self.depth < 1:
            raise ValueError(f"depth must be at least 1, not {self.depth}")


class LightDecision(NamedTuple):
    """What to do with each photo.

    stops: (n, 1, depth, rows, columns), gain by brightness and place. channels: (n, 3, 1, 1), stops as well.
    haze: (n, 1, 1, 1), the level that becomes black. saturation: (n, 1, 1, 1), a factor.
    """

    stops: torch.Tensor
    channels: torch.Tensor
    haze: torch.Tensor
    saturation: torch.Tensor

    def times(self, strength: torch.Tensor) -> "LightDecision":
        """Return a decision of which only a share, (), has effect: 0 changes nothing."""
        return LightDecision(
            self.stops * strength,
            self.channels * strength,
            self.haze * strength,
            self.saturation**strength,
        )


class Light(nn.Module):
    """photos_nchw → photos_nchw, float 0–1; initially the identity."""

    def __init__(self, config: LightConfig):
        super().__init__()
        self.config = config
        width = config.widths[-1]
        self.low = nn.Sequential()
        for before, after in pairwise((3, *config.widths)):
            self.low.extend([nn.Conv2d(before, after, 3, stride=2, padding=1), nn.LeakyReLU(SLOPE)])
        self.whole = nn.Sequential(
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.LeakyReLU(SLOPE),
        )
        self.summary = nn.Linear(width, 2 * width)
        self.local = nn.Conv2d(width, width, 3, padding=1)
        self.shared = nn.Linear(2 * width, width)
        self.grid = nn.Conv2d(width, config.depth, 3, padding=1)
        self.colours = nn.Linear(2 * width, GLOBALS)
        for last in (self.grid, self.colours):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def decide(self, thumbnails: torch.Tensor) -> LightDecision:
        """thumbnails: whole photos reduced to squares, (n, 3, side, side), float 0–1.

        Never in bfloat16, so that machines with and without it decide alike.
        """
        with torch.autocast(thumbnails.device.type, enabled=False):
            return self._decide(thumbnails)

    def _decide(self, thumbnails: torch.Tensor) -> LightDecision:
        features = self.low(thumbnails - 0.5)
        summary = functional.leaky_relu(self.summary(self.whole(features).mean((2, 3))), SLOPE)
        shared = self.shared(summary)[:, :, None, None]
        stops = self.grid(functional.leaky_relu(self.local(features) + shared, SLOPE))
        *channels, haze, saturation = (0.3 * self.colours(summary))[:, :, None, None].split(1, 1)
        return LightDecision(
            (MOST_STOPS * (stops / MOST_STOPS).tanh())[:, None],
            torch.cat(channels, 1),
            MOST_HAZE * haze.tanh(),
            saturation.exp2(),
        )

    def forward(
        self, photos_nchw: torch.Tensor, decision: LightDecision, place: Place | None = None
    ) -> torch.Tensor:
        """Apply decisions to whole photos, or to a tile at `place`."""
        if suits(photos_nchw):
            return lit(photos_nchw, decision, place)
        with torch.autocast(photos_nchw.device.type, enabled=False):
            clear = ((photos_nchw - decision.haze) / (1 - decision.haze)).clamp(0, 1)
            gain = (sliced(decision.stops, texture_view(photos_nchw), place) + decision.channels).exp2()
            return saturated(gain * clear / (1 + (gain - 1) * clear), decision.saturation).clamp(0, 1)
