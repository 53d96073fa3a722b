"""Colour, decided once per photo: matched curves, matched statistics, and a few learned 3-D LUTs."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from wespe.networks.activity import BLOCK_PX, RANGE, Noise, block_means, quietest, unrest
from wespe.networks.tone import LEVELS, apply_curves, rolled_off, saturated
from wespe.views import texture_view

STATISTICS = 2  # mean of luma, and of the logarithm of its deviation in a window
LEAST_DEVIATION = 4 / 255  # a flat photo has no contrast to stretch


@dataclass(frozen=True, kw_only=True)
class ColourConfig:
    """How colour is decided and applied.

    smooth_levels: deviation of the Gaussian that smooths the start's curves, in 8-bit levels. Few photos have
        bumpy histograms, and what follows their bumps is bad colour and bands in skies. 0 leaves them.
    cast_levels: the same for how the three curves differ from their mean: a camera's cast changes slowly with
        brightness, and what else differs is mostly that other things were photographed.
    adapt: how far a photo's brightness, contrast and saturation move from the curves' to what the match of
        the sets' statistics asks for; 0 gives every photo the same colour at the start.
    regress: how far brightness then goes on to the target's mean. How a photo was exposed cannot be told from
        it alone, and a guess is best nearer to the mean.
    window_px: side of the windows whose contrast is averaged over a photo. Patches and photos of any size
        then have the same kind of contrast, and a photo gets what its windows would get on average.
    most: how much that may scale contrast, at most, up or down.
    bases: 3-D LUTs that a photo's own is mixed of.
    side: of a LUT, in colours.
    thumbnail_px: side of what the mixture is decided from.
    width: channels of the network that decides.
    """

    smooth_levels: float = 24
    cast_levels: float = 128
    adapt: float = 0.6
    regress: float = 0.08
    window_px: int = 32
    most: float = 1.5
    bases: int = 3
    side: int = 9
    thumbnail_px: int = 64
    width: int = 8

    def __post_init__(self) -> None:
        for name in ("smooth_levels", "cast_levels"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")
        for name in ("adapt", "regress"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be at least 0 and at most 1, not {getattr(self, name)}")
        if self.most < 1:
            raise ValueError(f"most must be at least 1, not {self.most}")
        if self.bases < 1:
            raise ValueError(f"bases must be at least 1, not {self.bases}")
        for name, least in (("window_px", 2), ("side", 2), ("thumbnail_px", 8), ("width", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")


class Decision(NamedTuple):
    """What happens to photos, after the curves; the same at every pixel.

    gain, shift: (n, 1, 1, 1). lut: offsets (n, 3, side, side, side) by red, green, blue.
    floor: see `Noise`.
    """

    gain: torch.Tensor
    shift: torch.Tensor
    lut: torch.Tensor
    floor: torch.Tensor


class Colour(nn.Module):
    """photos_nchw → photos_nchw, float 0–1.

    curves (3, 256), slope (2, 2), offset (2) and saturation (): the start, fitted to two unpaired sets before
    the first step and kept with the weights. The identity until then. slopes (256) goes with the curves: how
    steep they are, by the luma that they give.
    """

    curves: torch.Tensor
    slope: torch.Tensor
    offset: torch.Tensor
    saturation: torch.Tensor
    slopes: torch.Tensor

    def __init__(self, config: ColourConfig):
        super().__init__()
        self.config = config
        self.register_buffer("curves", torch.linspace(0, 1, LEVELS).repeat(3, 1))
        self.register_buffer("slopes", torch.ones(LEVELS))
        self.register_buffer("slope", torch.eye(STATISTICS))
        self.register_buffer("offset", torch.zeros(STATISTICS))
        self.register_buffer("saturation", torch.ones(()))
        self.luts = nn.Parameter(torch.zeros(config.bases, 3, *[config.side] * 3))
        self.mixer = Mixer(config)

    def forward(self, photos_nchw: torch.Tensor, decision: Decision | None = None) -> torch.Tensor:
        matched = self.matched(photos_nchw)
        return self.apply_decision(matched, decision or self.decide_matched(matched))

    def matched(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        """The curves alone."""
        return apply_curves(photos_nchw, self.curves)

    def decide(self, photos_nchw: torch.Tensor) -> Decision:
        """Look at whole photos."""
        return self.decide_matched(self.matched(photos_nchw))

    def decide_by_strips(self, strips_nchw: Iterable[torch.Tensor]) -> Decision:
        """Look at whole photos, cut into strips from top to bottom.

        Rows of a strip: a multiple of `strip_px`; of the last, any number that is not smaller.
        """
        with torch.autocast(self.luts.device.type, enabled=False):
            glances = [self._glance(self.matched(strip)) for strip in strips_nchw]
            narrow, *seen = (torch.cat(parts, 2) for parts in zip(*glances, strict=True))
            return self._decided(self._thumbnails(narrow), *seen)

    def decide_matched(self, matched: torch.Tensor) -> Decision:
        """Look at whole photos after the curves."""
        with torch.autocast(matched.device.type, enabled=False):
            return self._decided(self._thumbnails(matched), *self._seen(matched))

    def _thumbnails(self, matched: torch.Tensor) -> torch.Tensor:
        return functional.adaptive_avg_pool2d(matched, self.config.thumbnail_px)

    def _decided(
        self, thumbnails: torch.Tensor, luma: torch.Tensor, deviations: torch.Tensor, blocks: torch.Tensor
    ) -> Decision:
        gain, shift = self._adapted(_means(luma, deviations))
        mixture = self.mixer((thumbnails * gain + shift).clamp(0, 1))
        return Decision(gain, shift, torch.einsum("nb,bcrgd->ncrgd", mixture, self.luts), quietest(blocks))

    @property
    def strip_px(self) -> int:
        return math.lcm(self.config.window_px, BLOCK_PX)

    def _glance(self, matched: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """All that a decision needs of a strip: columns of a thumbnail, and what is seen in windows."""
        narrow = functional.adaptive_avg_pool2d(matched, (matched.shape[2], self.config.thumbnail_px))
        return narrow, *self._seen(matched)

    def _seen(self, matched: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Luma and deviations in windows, unrest in blocks before the curves."""
        slope = self.slopes_at(block_means(texture_view(matched)))
        return *windows(matched, self.config.window_px), unrest(matched) - slope.log() / RANGE

    def noise(self, matched: torch.Tensor, decision: Decision) -> Noise:
        """Louder where the curves are steep, which they are in the shadows of most cameras."""
        return Noise(decision.floor, decision.gain * self.slopes_at(texture_view(matched)))

    def slopes_at(self, luma: torch.Tensor) -> torch.Tensor:
        """How steep the curves are where they gave this luma, (n, 1, h, w)."""
        return apply_curves(luma, self.slopes[None])

    def apply_decision(self, matched: torch.Tensor, decision: Decision) -> torch.Tensor:
        """Of a photo or any piece of it, after the curves."""
        with torch.autocast(matched.device.type, enabled=False):
            started = self._toned(matched, decision.gain, decision.shift)
            return started + interpolate(decision.lut, started)

    def start(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        """Without what was learned."""
        with torch.autocast(photos_nchw.device.type, enabled=False):
            matched = self.matched(photos_nchw)
            gain, shift = self._adapted(self.statistics(matched))
            return self._toned(matched, gain, shift)

    def statistics(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        """Of brightness and contrast, (n, 2)."""
        return statistics(photos_nchw, self.config.window_px)

    def _toned(self, matched: torch.Tensor, gain: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        tones = rolled_off(matched * gain + shift, shift, gain + shift)
        return saturated(tones, self.saturation).clamp(0, 1)

    def _adapted(self, before: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The straight line that gives each photo the statistics it should have."""
        after = before @ self.slope.T + self.offset
        (mean, deviation), (wanted, contrast) = before.unbind(1), after.unbind(1)
        gain = (contrast - deviation).exp().clamp(1 / self.config.most, self.config.most)
        return gain[:, None, None, None], (wanted - gain * mean)[:, None, None, None]


class Mixer(nn.Module):
    """thumbnails → (n, bases) shares of the basis LUTs; about 1, 0, 0 … at the start."""

    def __init__(self, config: ColourConfig):
        super().__init__()
        widths = (3, config.width, 2 * config.width, 4 * config.width)
        self.layers = nn.Sequential()
        for before, after in pairwise(widths):
            self.layers.extend([nn.Conv2d(before, after, 3, stride=2, padding=1), nn.LeakyReLU(0.2)])
        self.head = nn.Linear(widths[-1], config.bases)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.copy_(torch.eye(config.bases)[0])

    def forward(self, thumbnails: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(thumbnails).mean(dim=(2, 3)))


def statistics(photos_nchw: torch.Tensor, window_px: int) -> torch.Tensor:
    """Mean of each photo's luma, and of the log deviations in its windows, (n, 2)."""
    return _means(*windows(photos_nchw, window_px))


def windows(photos_nchw: torch.Tensor, window_px: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of luma in each whole window, (n, 1, rows, columns); a small photo is one."""
    luma = texture_view(photos_nchw)
    window = min(window_px, *luma.shape[-2:])
    means, squares = (functional.avg_pool2d(one, window) for one in (luma, luma.square()))
    return means, (squares - means.square()).clamp(min=0).sqrt()


def _means(luma: torch.Tensor, deviations: torch.Tensor) -> torch.Tensor:
    return torch.stack([luma.mean((1, 2, 3)), (deviations + LEAST_DEVIATION).log().mean((1, 2, 3))], dim=1)


def interpolate(luts: torch.Tensor, photos_nchw: torch.Tensor) -> torch.Tensor:
    """Look colours 0–1 up in each photo's LUT (n, 3, side, side, side), trilinearly (Zeng et al. 2020)."""
    # grid_sample names the last axis first: blue, green, red.
    places = photos_nchw.flip(1).permute(0, 2, 3, 1)[:, None] * 2 - 1
    found = functional.grid_sample(luts, places, mode="bilinear", padding_mode="border", align_corners=True)
    return found[:, :, 0]


def roughness(luts: torch.Tensor) -> torch.Tensor:
    """Mean squared step between neighbours of offset LUTs, in units of the identity's step."""
    side = luts.shape[-1]
    steps = [luts.diff(dim=axis) * (side - 1) for axis in (-3, -2, -1)]
    return torch.stack([step.square().mean() for step in steps]).sum()


def folding(luts: torch.Tensor) -> torch.Tensor:
    """Mean distance by which identity plus offset goes down where a channel's own input goes up."""
    side = luts.shape[-1]
    own = [luts.select(-4, channel).diff(dim=channel - 3) * (side - 1) for channel in range(3)]
    return torch.stack([functional.relu(-1 - step).mean() for step in own]).sum()
