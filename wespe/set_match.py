"""Fits the initial transform between two unpaired sets without training: tone curves, statistics, texture."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch.nn import functional

from wespe.evidence import evident
from wespe.histogram_match import HistogramMatch
from wespe.networks.activity import RANGE, activity, bands, block_means, quietest
from wespe.networks.lut import Colour, ColourConfig
from wespe.networks.texture import Texture
from wespe.networks.tone import LEVELS, rolled_off
from wespe.sample import Sample
from wespe.views import BlurConfig, gaussian_kernel, texture_view

SMOOTH_ACTIVITY = 6  # smoothing of the activity curves, in levels of about 1/20 of a doubling each
STEEPEST = 4.0  # maximum slope assumed for noise amplification; the minimum is its inverse
MOST_VIVID = 1.2  # maximum saturation factor; sets that need more show other things, not another camera
RARE = 0.02  # share of places at either end of activity that is too small for a reliable match
EMPTY = 1e-6  # the same of pixels at either end of tones: only levels that a camera does not use


@torch.no_grad()
def fit_start(colour: Colour, texture: Texture, source: Sample, target: Sample) -> str:
    """Fit the initial colour and texture transforms, in place; return what was found."""
    share = fit_curves(colour, source.photo_means(histograms), target.photo_means(histograms))
    fit_rest(colour, texture, source, target, share)
    return found(colour, source, target, share)


@torch.no_grad()
def fit_rest(colour: Colour, texture: Texture, source: Sample, target: Sample, share: float) -> None:
    """Fit what follows the tone curves. share: what `fit_curves` returned."""
    _fit_statistics(colour, source, target, share)
    fit_texture(texture, source, target, colour.start)
    _fit_excess(colour, texture, source)


def found(colour: Colour, source: Sample, target: Sample, share: float) -> str:
    """Describe a fit. share: what `fit_curves` returned."""
    photos = f"fitted to {source.number_of_photos:,} and {target.number_of_photos:,} photos"
    evidence = f"; {share:.0%} of their difference in tones exceeds chance" if colour.config.evidence else ""
    return photos + evidence


def fit_curves(colour: Colour, before: torch.Tensor, after: torch.Tensor) -> float:
    """Fit the tone curves to each photo's distribution of levels in both sets, (photos, 3, 256).

    Return the share of the sets' difference in tones that is more than chance, 0–1, by its energy.
    """
    difference = _curves(before.mean(0), after.mean(0), colour.config)
    kept = evident(partial(_curves, config=colour.config), before, after, colour.config.evidence)
    curves = _monotone(kept)
    set_curves(colour, rolled_off(curves, curves[:, :1], curves[:, -1:]))
    return (kept.square().sum() / difference.square().sum().clamp(min=1e-12)).clamp(0, 1).item()


@torch.no_grad()
def set_curves(colour: Colour, curves: torch.Tensor) -> None:
    """Replace the tone curves, (3, 256)."""
    colour.curves.copy_(curves)
    colour.slopes.copy_(_slopes(texture_view(colour.curves[None, :, None])[0, 0, 0]))


def matching_curves(before: torch.Tensor, after: torch.Tensor, config: ColourConfig) -> torch.Tensor:
    """Return the smoothed, monotone curves that match two distributions of levels, all (3, 256)."""
    return _monotone(_curves(before, after, config))


def _monotone(difference: torch.Tensor) -> torch.Tensor:
    return (difference.view(3, LEVELS) + torch.linspace(0, 1, LEVELS)).cummax(dim=1).values


def _curves(before: torch.Tensor, after: torch.Tensor, config: ColourConfig) -> torch.Tensor:
    """Return the smoothed curves that match two distributions of levels, minus the identity, (3 · 256,)."""
    levels = torch.linspace(0, 1, LEVELS)
    curves = _extended(_matched(before, after), before.cumsum(1), EMPTY)
    shared = curves.mean(dim=0).expand_as(curves)
    casts = smoothed(curves - shared + levels, config.cast_levels) - levels
    return (smoothed(shared, config.smooth_levels) + casts - levels).flatten()


def _slopes(curve: torch.Tensor) -> torch.Tensor:
    """Return the slope of a curve (256,) by its output level."""
    given = curve.cpu().numpy()
    slopes = (np.gradient(given) * (LEVELS - 1)).clip(1 / STEEPEST, STEEPEST)
    return torch.from_numpy(np.interp(np.linspace(0, 1, LEVELS), given, slopes)).float()


def _fit_statistics(colour: Colour, source: Sample, target: Sample, share: float) -> None:
    """Fit what varies between photos.

    share: what is evident of the sets' difference in tones. Where the cameras do not differ, the sets' photos
        vary differently by chance only.
    """
    config = colour.config
    adapt, regress = share * config.adapt, share * config.regress
    before = _moments(source, lambda patches: colour.statistics(colour.matched(patches)))
    after = _moments(target, colour.statistics)
    slope, offset = monge_kantorovich(before, after)
    slope = torch.lerp(torch.eye(len(slope)).to(slope), slope, adapt)
    offset = adapt * offset
    slope[0] *= 1 - regress
    offset[0] = torch.lerp(offset[0], after[0][0], regress)
    colour.slope.copy_(slope)
    colour.offset.copy_(offset)
    dull = source.photo_means(lambda patches: _colourfulness(colour.start(patches))).mean()
    vivid = (target.photo_means(_colourfulness).mean() / dull.clamp(min=1e-6)) ** (adapt / 2)
    colour.saturation.copy_(vivid.clamp(1 / MOST_VIVID, MOST_VIVID))


def fit_texture(
    texture: Texture, source: Sample, target: Sample, start: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    """Fit the texture transform, in place. start: the colour transform of source patches."""
    before = source.photo_means(lambda patches: histograms(_activity(start(patches)))).mean(0)
    after = target.photo_means(lambda patches: histograms(_activity(patches))).mean(0)
    levels = torch.linspace(0, 1, LEVELS).repeat(len(before), 1)
    curves = _extended(_matched(before, after), before.cumsum(1), RARE)
    growth = (smoothed(curves, SMOOTH_ACTIVITY) - levels) * RANGE * texture.config.match
    texture.gains.copy_(growth.exp().clamp(max=texture.config.most))
    texture.fitted.fill_(1)


def _activity(photos_nchw: torch.Tensor) -> torch.Tensor:
    return activity(bands(texture_view(photos_nchw)))


def _fit_excess(colour: Colour, texture: Texture, source: Sample) -> None:
    """Fit `texture.excess`: the median difference between band and block activity in quiet areas."""
    rows = []
    for patches in source.chunks():
        matched = colour.matched(patches)
        noise = colour.noise(matched, colour.decide_matched(matched))
        quiet = quietest(block_means(_activity(colour.start(patches)) - noise.louder.log() / RANGE))
        rows.append((quiet - noise.floor).flatten(1))
    texture.excess.copy_(torch.cat(rows).median(dim=0).values)


def _matched(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the curves, 0–1, that match two distributions of levels; all (3, 256)."""
    curves = HistogramMatch.between(source.cpu().numpy(), target.cpu().numpy()).curves
    return torch.from_numpy(curves) / (LEVELS - 1)


def _extended(curves: torch.Tensor, below: torch.Tensor, rare: float) -> torch.Tensor:
    """Outside the levels that the source contains, continue the curves with a constant offset."""
    levels, rows = np.arange(LEVELS) / (LEVELS - 1), []
    for curve, share in zip(curves.numpy(), below.numpy(), strict=True):
        known = (share >= rare) & (share <= max(1 - rare, share[share >= rare][0]))
        rows.append(levels + np.interp(levels, levels[known], (curve - levels)[known]))
    return torch.from_numpy(np.stack(rows)).float()


def smoothed(curves: torch.Tensor, levels: float) -> torch.Tensor:
    """Smooth the difference of curves (3, 256), 0–1, from the identity; monotone curves stay monotone."""
    if not levels:
        return curves
    identity = torch.linspace(0, 1, LEVELS)
    taps = 2 * math.ceil(3 * levels) + 1
    kernel = gaussian_kernel(BlurConfig(sigma_px=levels, taps=taps))[None, None]
    offsets = functional.pad((curves - identity)[:, None], (taps // 2,) * 2, mode="replicate")
    return identity + functional.conv1d(offsets, kernel)[:, 0]


def monge_kantorovich(
    source: tuple[torch.Tensor, torch.Tensor], target: tuple[torch.Tensor, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return slope and offset of the optimal transport map between normal distributions (mean, covariance).

    Source: Pitié & Kokaram 2007, eq. 12.
    """
    (mean, spread), (wanted, wider) = source, target
    root = _root(spread)
    inverse = torch.linalg.inv(root)
    slope = inverse @ _root(root @ wider @ root) @ inverse
    return slope, wanted - slope @ mean


def _root(matrix: torch.Tensor) -> torch.Tensor:
    """Return the symmetric square root; eigenvalues are clamped to at least 1e-6."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=1e-6).sqrt()) @ vectors.T


def histograms(photos_nchw: torch.Tensor) -> torch.Tensor:
    """Return each photo's distribution of levels per channel, (n, 3, 256)."""
    count, channels = photos_nchw.shape[:2]
    levels = (photos_nchw * (LEVELS - 1)).round().long().flatten(2)
    places = levels + LEVELS * torch.arange(count * channels, device=levels.device).view(count, channels, 1)
    counts = torch.bincount(places.flatten(), minlength=count * channels * LEVELS)
    return counts.view(count, channels, LEVELS) / levels.shape[2]


def _moments(
    sample: Sample, statistics: Callable[[torch.Tensor], torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and covariance of the patches' statistics, photos weighted equally, in double precision."""
    mean = sample.photo_means(statistics).mean(0)

    def products(patches: torch.Tensor) -> torch.Tensor:
        centred = statistics(patches).double() - mean.to(patches.device)
        return centred[:, :, None] * centred[:, None, :]

    return mean, sample.photo_means(products).mean(0)


def _colourfulness(photos_nchw: torch.Tensor) -> torch.Tensor:
    """Return each photo's mean squared distance of pixels from grey of the same luma."""
    return (photos_nchw - texture_view(photos_nchw)).square().mean((1, 2, 3))
