"""Fits the initial transform between two unpaired sets without training: tone curves, statistics, texture."""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch.nn import functional

from wespe.batch import Batch
from wespe.histogram_match import HistogramMatch
from wespe.networks.activity import RANGE, activity, bands, block_means, quietest
from wespe.networks.lut import Colour
from wespe.networks.texture import Texture
from wespe.networks.tone import LEVELS, rolled_off
from wespe.views import BlurConfig, gaussian_kernel, texture_view

Gather = Callable[[torch.Tensor], torch.Tensor]
Patches = Sequence[torch.Tensor]

SMOOTH_ACTIVITY = 6  # smoothing of the activity curves, in levels of about 1/20 of a doubling each
STEEPEST = 4.0  # maximum slope assumed for noise amplification; the minimum is its inverse
MOST_VIVID = 3.0  # maximum saturation factor; photos that would need more have no usable colour
RARE = 0.02  # share of pixels at either end that is too small for a reliable match


@torch.no_grad()
def fit_start(colour: Colour, texture: Texture, batches: Sequence[Batch], gather: Gather) -> None:
    """Fit the initial colour and texture transforms, in place, to the batches of all workers."""
    sources = distinct(batch.source for batch in batches)
    targets = distinct(batch.target for batch in batches)
    _fit_curves(colour, sources, targets, gather)
    _fit_statistics(colour, sources, targets, gather)
    fit_texture(texture, map(colour.start, sources), targets, gather)
    _fit_excess(colour, texture, sources, gather)


def distinct(batches_nchw: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    """Remove duplicate patches, including mirrored and rotated ones, so that each counts once."""
    seen: set[tuple[int, ...]] = set()
    kept = []
    for photos_nchw in batches_nchw:
        levels = (photos_nchw * (LEVELS - 1)).round().long()
        # These sums do not change when a patch is mirrored or rotated.
        sums = torch.cat([(levels**power).sum((2, 3)) for power in (1, 2, 3)], dim=1)
        fresh = {tuple(row): index for index, row in enumerate(sums.tolist()) if tuple(row) not in seen}
        seen |= fresh.keys()
        if len(fresh) == len(photos_nchw):
            kept.append(photos_nchw)  # the usual case, without a copy
        elif fresh:
            kept.append(photos_nchw[sorted(fresh.values())])
    return kept


def _fit_curves(colour: Colour, sources: Patches, targets: Patches, gather: Gather) -> None:
    curves = _matched(_histogram(sources, gather), _histogram(targets, gather))
    shared, levels = curves.mean(dim=0).expand_as(curves), torch.linspace(0, 1, LEVELS)
    casts = smoothed(curves - shared + levels, colour.config.cast_levels) - levels
    both = (smoothed(shared, colour.config.smooth_levels) + casts).cummax(dim=1).values
    colour.curves.copy_(rolled_off(both, both[:, :1], both[:, -1:]))
    colour.slopes.copy_(_slopes(texture_view(colour.curves[None, :, None])[0, 0, 0]))


def _slopes(curve: torch.Tensor) -> torch.Tensor:
    """Return the slope of a curve (256,) by its output level."""
    given = curve.cpu().numpy()
    slopes = (np.gradient(given) * (LEVELS - 1)).clip(1 / STEEPEST, STEEPEST)
    return torch.from_numpy(np.interp(np.linspace(0, 1, LEVELS), given, slopes)).float()


def _fit_statistics(colour: Colour, sources: Patches, targets: Patches, gather: Gather) -> None:
    config = colour.config
    before = _moments(map(colour.statistics, map(colour.matched, sources)), gather)
    after = _moments(map(colour.statistics, targets), gather)
    slope, offset = monge_kantorovich(before, after)
    slope = torch.lerp(torch.eye(len(slope)).to(slope), slope, config.adapt)
    offset = config.adapt * offset
    slope[0] *= 1 - config.regress
    offset[0] = torch.lerp(offset[0], after[0][0], config.regress)
    colour.slope.copy_(slope)
    colour.offset.copy_(offset)
    dull, wanted = (_colourfulness(one, gather) for one in (map(colour.start, sources), targets))
    vivid = (wanted / dull.clamp(min=1e-6)) ** (config.adapt / 2)
    colour.saturation.copy_(vivid.clamp(1 / MOST_VIVID, MOST_VIVID))


def fit_texture(
    texture: Texture, started: Iterable[torch.Tensor], targets: Iterable[torch.Tensor], gather: Gather
) -> None:
    """Fit the texture transform, in place. started: source patches after the colour transform."""
    before, after = (_histogram(map(_activity, side), gather) for side in (started, targets))
    levels = torch.linspace(0, 1, LEVELS).repeat(len(before), 1)
    curves = _extended(_matched(before, after), before.cumsum(1).cpu())
    growth = (smoothed(curves, SMOOTH_ACTIVITY) - levels) * RANGE * texture.config.match
    texture.gains.copy_(growth.exp().clamp(max=texture.config.most))
    texture.fitted.fill_(1)


def _activity(photos_nchw: torch.Tensor) -> torch.Tensor:
    return activity(bands(texture_view(photos_nchw)))


def _fit_excess(colour: Colour, texture: Texture, sources: Patches, gather: Gather) -> None:
    """Fit `texture.excess`: the median difference between band and block activity in quiet areas."""
    rows = []
    for patches in sources:
        matched = colour.matched(patches)
        noise = colour.noise(matched, colour.decide_matched(matched))
        quiet = quietest(block_means(_activity(colour.start(patches)) - noise.louder.log() / RANGE))
        rows.append((quiet - noise.floor).flatten(1))
    everyone = gather(torch.cat(rows).flatten()).view(-1, len(texture.excess))
    texture.excess.copy_(everyone.median(dim=0).values)


def _matched(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the curves, 0–1, that match two distributions of levels; all (3, 256)."""
    curves = HistogramMatch.between(source.cpu().numpy(), target.cpu().numpy()).curves
    return torch.from_numpy(curves) / (LEVELS - 1)


def _extended(curves: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
    """Outside the levels that the source contains, continue the curves with a constant offset."""
    levels, rows = np.arange(LEVELS) / (LEVELS - 1), []
    for curve, share in zip(curves.numpy(), below.numpy(), strict=True):
        known = (share >= RARE) & (share <= max(1 - RARE, share[share >= RARE][0]))
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


def _histogram(photos: Iterable[torch.Tensor], gather: Gather) -> torch.Tensor:
    """Return the distribution of levels per channel, (3, 256)."""
    total = torch.zeros(0)
    for photos_nchw in photos:
        levels = (photos_nchw * (LEVELS - 1)).round().long()
        planes = [torch.bincount(plane.flatten(), minlength=LEVELS) for plane in levels.unbind(1)]
        counts = torch.stack(planes).double()
        total = counts if not total.numel() else total + counts
    everyone = gather(total.flatten()).sum(dim=0).view(3, LEVELS)
    return everyone / everyone.sum(dim=1, keepdim=True)


def _moments(statistics: Iterable[torch.Tensor], gather: Gather) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and covariance of the patches' statistics, in double precision on the CPU."""
    rows = torch.cat(list(statistics)).double()
    width = rows.shape[1]
    local = torch.cat([rows.new_tensor([len(rows)]), rows.sum(0), (rows.T @ rows).flatten()])
    count, total, products = gather(local).cpu().sum(0).split([1, width, width * width])
    mean = total / count
    return mean, (products.view(width, width) - count * torch.outer(mean, mean)) / (count - 1).clamp(min=1)


def _colourfulness(photos: Iterable[torch.Tensor], gather: Gather) -> torch.Tensor:
    """Return the mean squared distance of pixels from grey of the same luma."""
    spreads = torch.cat([(p - texture_view(p)).square().mean((1, 2, 3)) for p in photos]).double()
    total, count = gather(torch.stack([spreads.sum(), spreads.new_tensor(len(spreads))])).sum(0)
    return total / count
