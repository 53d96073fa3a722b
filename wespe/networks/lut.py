"""Colour transform, decided once per photo: fitted tone curves, fitted statistics and learned 3-D LUTs."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from wespe.kernels.compiled import suits
from wespe.kernels.measured import measured
from wespe.networks.activity import (
    BLOCK_PX,
    RANGE,
    Noise,
    as_activity,
    block_activity,
    block_means,
    quietest,
)
from wespe.networks.tone import LEVELS, apply_curves, rolled_off, saturated
from wespe.views import texture_view

STATISTICS = 2  # brightness (mean luma) and contrast (mean log deviation of luma in windows)
LEAST_DEVIATION = 4 / 255  # keeps the contrast of flat photos finite, so that it is not amplified


@dataclass(frozen=True, kw_only=True)
class ColourConfig:
    """Settings of the colour transform.

    smooth_levels: standard deviation, in 8-bit levels, of the Gaussian that smooths the fitted tone curves.
        Histograms of few photos are uneven; curves that follow them give wrong colours and banding in skies.
        0 disables smoothing.
    cast_levels: the same for the difference of each channel's curve from their mean. A camera's colour cast
        changes slowly with brightness; faster differences mostly come from different scenes.
    evidence: standard errors that a difference between the sets' tones must exceed to count as the cameras'.
        Two sets of one camera differ as well, since other things were photographed; the scatter between their
        photos shows by how much (see `evidence.evident`). 0 attributes every difference to the cameras.
    adapt: how far each photo's brightness, contrast and saturation are adjusted so that their distribution
        over photos matches the target's: 0 (same curves for all photos) to 1 (full match). This and `regress`
        are reduced by the share of the sets' difference that is not evident.
    regress: how far brightness is then moved to the target's mean, 0–1. The intended exposure cannot be known
        from the photo alone, so the best estimate is closer to the mean.
    window_px: side of the windows in which contrast is measured. Averaging over windows makes the contrast of
        patches and of whole photos comparable.
    most: maximum factor by which contrast may be raised or lowered.
    bases: number of basis LUTs; each photo's LUT is a weighted sum of them.
    side: entries of a LUT along each axis.
    thumbnail_px: side of the thumbnail from which the weights are computed.
    width: channels of the network that computes the weights.
    """

    smooth_levels: float = 24
    cast_levels: float = 128
    evidence: float = 1.5
    adapt: float = 0.6
    regress: float = 0.08
    window_px: int = 32
    most: float = 1.5
    bases: int = 3
    side: int = 9
    thumbnail_px: int = 64
    width: int = 8

    def __post_init__(self) -> None:
        for name in ("smooth_levels", "cast_levels", "evidence"):
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
    """The colour transform of each photo after the tone curves; the same at every pixel.

    gain, shift: (n, 1, 1, 1). lut: offsets (n, 3, side, side, side), indexed by red, green, blue.
    floor: see `Noise`. thumbnail: (n, 3, side, side), the photo after this transform, without the LUT.
    """

    gain: torch.Tensor
    shift: torch.Tensor
    lut: torch.Tensor
    floor: torch.Tensor
    thumbnail: torch.Tensor


class Colour(nn.Module):
    """photos_nchw → photos_nchw, float 0–1.

    The buffers hold the initial transform, which is fitted to two unpaired sets before the first step and
    saved with the weights. Before fitting they are the identity.

    curves: (3, 256), tone curves. slope, offset: (2, 2) and (2,), the linear map from a photo's statistics to
    its desired ones. saturation: (), a factor. slopes: (256,), slope of the curves by their output luma.
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
        """Apply the tone curves only."""
        return apply_curves(photos_nchw, self.curves)

    def decide(self, photos_nchw: torch.Tensor) -> Decision:
        """Decide the transform of whole photos."""
        return self.decide_by_strips([photos_nchw])

    def decide_by_strips(self, strips_nchw: Iterable[torch.Tensor]) -> Decision:
        """Decide the transform of whole photos, passed as strips from top to bottom.

        Strips must have a multiple of `strip_px` rows, except the last, which must have at least `strip_px`.
        """
        with torch.autocast(self.luts.device.type, enabled=False):
            summaries = [self._summarise(strip) for strip in self._wide(strips_nchw)]
            narrow, *measured = (torch.cat(parts, 2) for parts in zip(*summaries, strict=True))
            return self._decision(self._thumbnails(narrow), *measured)

    def _wide(self, strips_nchw: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Join the strips of photos narrower than a window: their windows do not end where strips end."""
        strips = iter(strips_nchw)
        first = next(strips)
        # An exported model gets one whole photo, of any width.
        if torch.compiler.is_compiling() or first.shape[3] >= self.strip_px:
            yield first
            yield from strips
        else:
            yield torch.cat([first, *strips], 2)

    def decide_matched(self, matched: torch.Tensor) -> Decision:
        """Decide the transform of whole photos to which the tone curves have been applied."""
        with torch.autocast(matched.device.type, enabled=False):
            return self._decision(self._thumbnails(matched), *self._measure(matched))

    def _thumbnails(self, matched: torch.Tensor) -> torch.Tensor:
        return functional.adaptive_avg_pool2d(matched, self.config.thumbnail_px)

    def _decision(
        self, thumbnails: torch.Tensor, luma: torch.Tensor, deviations: torch.Tensor, blocks: torch.Tensor
    ) -> Decision:
        gain, shift = self._gain_and_shift(_means(luma, deviations))
        thumbnails = (thumbnails * gain + shift).clamp(0, 1)
        lut = torch.einsum("nb,bcrgd->ncrgd", self.mixer(thumbnails), self.luts)
        return Decision(gain, shift, lut, quietest(blocks), thumbnails)

    @property
    def strip_px(self) -> int:
        return math.lcm(self.config.window_px, BLOCK_PX)

    def _summarise(self, strip: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return what a decision needs from a strip: the strip scaled to thumbnail width, and `_measure`."""
        if not suits(strip) or min(strip.shape[-2:]) < self.strip_px:
            matched = self.matched(strip)
            narrow = functional.adaptive_avg_pool2d(matched, (matched.shape[2], self.config.thumbnail_px))
            return narrow, *self._measure(matched)
        config = self.config
        narrow, means, deviations, block_luma, block_squares = measured(
            strip,
            self.curves,
            unit_px=self.strip_px,
            window_px=config.window_px,
            narrow_px=config.thumbnail_px,
        )
        return narrow, means, deviations, self._before_curves(as_activity(block_squares), block_luma)

    def _measure(self, matched: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return luma and deviation per window, and activity per block before the tone curves."""
        blocks = self._before_curves(block_activity(matched), block_means(texture_view(matched)))
        return *windows(matched, self.config.window_px), blocks

    def _before_curves(self, activity: torch.Tensor, luma: torch.Tensor) -> torch.Tensor:
        return activity - self.slopes_at(luma).log() / RANGE

    def noise(self, matched: torch.Tensor, decision: Decision) -> Noise:
        """Estimate noise. Steep tone curves amplify it, which for most cameras concerns the shadows."""
        return Noise(decision.floor, decision.gain * self.slopes_at(texture_view(matched)))

    def slopes_at(self, luma: torch.Tensor) -> torch.Tensor:
        """Return the slope of the tone curves at this output luma, (n, 1, h, w)."""
        return apply_curves(luma, self.slopes[None])

    def apply_decision(self, matched: torch.Tensor, decision: Decision) -> torch.Tensor:
        """Apply a decision to whole photos or tiles, after the tone curves."""
        with torch.autocast(matched.device.type, enabled=False):
            started = self._apply_tone(matched, decision.gain, decision.shift)
            return started + interpolate(decision.lut, started)

    def start(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        """Apply the initial transform, without the learned LUTs."""
        with torch.autocast(photos_nchw.device.type, enabled=False):
            matched = self.matched(photos_nchw)
            gain, shift = self._gain_and_shift(self.statistics(matched))
            return self._apply_tone(matched, gain, shift)

    def statistics(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        """Return brightness and contrast of each photo, (n, 2)."""
        return statistics(photos_nchw, self.config.window_px)

    def _apply_tone(self, matched: torch.Tensor, gain: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        tones = rolled_off(matched * gain + shift, shift, gain + shift)
        return saturated(tones, self.saturation).clamp(0, 1)

    def _gain_and_shift(self, before: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the gain and shift that give each photo its desired statistics."""
        after = before @ self.slope.T + self.offset
        (mean, deviation), (wanted, contrast) = before.unbind(1), after.unbind(1)
        gain = (contrast - deviation).exp().clamp(1 / self.config.most, self.config.most)
        return gain[:, None, None, None], (wanted - gain * mean)[:, None, None, None]


class Mixer(nn.Module):
    """thumbnails → (n, bases) weights of the basis LUTs; initially about 1, 0, 0 …"""

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
    """Return each photo's mean luma and mean log deviation in windows, (n, 2)."""
    return _means(*windows(photos_nchw, window_px))


def windows(photos_nchw: torch.Tensor, window_px: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and deviation of luma in each complete window, (n, 1, rows, columns).

    A photo smaller than a window counts as one.
    """
    luma = texture_view(photos_nchw)
    window = min(window_px, *luma.shape[-2:])
    means = functional.avg_pool2d(luma, window)
    # In two passes: the difference of two averages would leave rounding errors in flat areas.
    level = functional.interpolate(means, scale_factor=float(window), mode="nearest")
    inside = luma[..., : level.shape[2], : level.shape[3]] - level
    return means, functional.avg_pool2d(inside.square(), window).sqrt()


def _means(luma: torch.Tensor, deviations: torch.Tensor) -> torch.Tensor:
    return torch.stack([luma.mean((1, 2, 3)), (deviations + LEAST_DEVIATION).log().mean((1, 2, 3))], dim=1)


def interpolate(luts: torch.Tensor, photos_nchw: torch.Tensor) -> torch.Tensor:
    """Interpolate trilinearly in each photo's LUT (n, 3, side, side, side) (Zeng et al. 2020)."""
    # grid_sample expects coordinates in reverse axis order: blue, green, red.
    places = photos_nchw.flip(1).permute(0, 2, 3, 1)[:, None] * 2 - 1
    found = functional.grid_sample(luts, places, mode="bilinear", padding_mode="border", align_corners=True)
    return found[:, :, 0]


def roughness(luts: torch.Tensor) -> torch.Tensor:
    """Mean squared difference between neighbouring LUT entries, in units of the identity LUT's step."""
    side = luts.shape[-1]
    steps = [luts.diff(dim=axis) * (side - 1) for axis in (-3, -2, -1)]
    return torch.stack([step.square().mean() for step in steps]).sum()


def folding(luts: torch.Tensor) -> torch.Tensor:
    """Monotonicity penalty: mean amount by which an output channel falls while its input channel rises."""
    side = luts.shape[-1]
    own = [luts.select(-4, channel).diff(dim=channel - 3) * (side - 1) for channel in range(3)]
    return torch.stack([functional.relu(-1 - step).mean() for step in own]).sum()
