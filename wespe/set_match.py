"""What turns one unpaired set of patches into another without training: curves, then statistics per patch."""

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch.nn import functional

from wespe.batch import Batch
from wespe.histogram_match import HistogramMatch
from wespe.networks.lut import LEVELS, Colour
from wespe.views import BlurConfig, gaussian_kernel

Gather = Callable[[torch.Tensor], torch.Tensor]


@torch.no_grad()
def fit_start(colour: Colour, batches: Sequence[Batch], gather: Gather) -> None:
    """Fit the start of `colour` in place, to the patches of these batches over all workers."""
    histograms = [_histogram(one, gather) for one in _sides(batches)]
    curves = HistogramMatch.between(*(one.cpu().numpy() for one in histograms)).curves
    colour.curves.copy_(smoothed(torch.from_numpy(curves) / (LEVELS - 1), colour.config.smooth_levels))
    sources, targets = _sides(batches)
    slope, offset = monge_kantorovich(
        _moments(map(colour.statistics, map(colour.matched, sources)), gather),
        _moments(map(colour.statistics, targets), gather),
    )
    colour.slope.copy_(slope)
    colour.offset.copy_(offset)


def smoothed(curves: torch.Tensor, levels: float) -> torch.Tensor:
    """Blur how far curves (3, 256), 0–1, are from the identity; they stay monotone."""
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
    """slope, offset: the straight map between normal distributions (mean, covariance) that moves least.

    Source: Pitié & Kokaram 2007, eq. 12.
    """
    (mean, spread), (wanted, wider) = source, target
    root = _root(spread)
    inverse = torch.linalg.inv(root)
    slope = inverse @ _root(root @ wider @ root) @ inverse
    return slope, wanted - slope @ mean


def _root(matrix: torch.Tensor) -> torch.Tensor:
    """The symmetric square root; directions without spread get a little."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=1e-6).sqrt()) @ vectors.T


def _sides(batches: Sequence[Batch]) -> tuple[Iterable[torch.Tensor], Iterable[torch.Tensor]]:
    return (batch.source for batch in batches), (batch.target for batch in batches)


def _histogram(photos: Iterable[torch.Tensor], gather: Gather) -> torch.Tensor:
    """The distribution of levels per channel, (3, 256)."""
    total = torch.zeros(0)
    for photos_nchw in photos:
        levels = (photos_nchw * (LEVELS - 1)).round().long()
        planes = [torch.bincount(plane.flatten(), minlength=LEVELS) for plane in levels.unbind(1)]
        counts = torch.stack(planes).double()
        total = counts if not total.numel() else total + counts
    everyone = gather(total.flatten()).sum(dim=0).view(3, LEVELS)
    return everyone / everyone.sum(dim=1, keepdim=True)


def _moments(statistics: Iterable[torch.Tensor], gather: Gather) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and covariance of the patches' statistics, in double precision on the CPU."""
    rows = torch.cat(list(statistics)).double()
    everyone = gather(rows.flatten()).view(-1, rows.shape[1]).cpu()
    return everyone.mean(dim=0), torch.cov(everyone.T)
