"""Which part of a difference between two sets of photos is more than chance.

Two sets always differ, also if one camera took both: other things were photographed. Resampling the photos of
each set (bootstrap, Efron 1979) shows how far such chance reaches, and in which directions.
"""

from collections.abc import Callable

import torch

RESAMPLES = 100
LEAST_PHOTOS = 2  # fewer show nothing about the scatter between photos

Fit = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def evident(fit: Fit, source: torch.Tensor, target: torch.Tensor, errors: float) -> torch.Tensor:
    """Return the part of a fitted difference that exceeds `errors` standard errors, (d,).

    fit: the mean summaries of both sets → the difference (d,), 0 where they agree.
    source, target: one summary per photo, (photos, …).
    errors: 0 returns the whole difference.

    The difference is expressed in the principal components of chance; each component is kept or dropped.
    With fewer than LEAST_PHOTOS photos in a set nothing is kept. The same random numbers are drawn in every
    call.
    """
    difference = fit(source.mean(0), target.mean(0))
    if not errors:
        return difference
    if min(len(source), len(target)) < LEAST_PHOTOS:
        return torch.zeros_like(difference)
    random = torch.Generator().manual_seed(0)
    means = source.mean(0), target.mean(0)
    chance = torch.cat(
        [
            _scatter([fit(mean, means[1]) for mean in _resampled(source, random)], len(source)),
            _scatter([fit(means[0], mean) for mean in _resampled(target, random)], len(target)),
        ]
    )
    _, deviations, components = torch.linalg.svd(chance, full_matrices=False)
    found = components @ difference
    by_chance = torch.where(found.abs() > errors * deviations, 0, found)
    return difference - components.T @ by_chance


def _resampled(photos: torch.Tensor, random: torch.Generator) -> list[torch.Tensor]:
    """Return the means of as many photos, drawn with replacement."""
    count = len(photos)
    draws = [torch.randint(count, (count,), generator=random) for _ in range(RESAMPLES)]
    return [photos[draw].mean(0) for draw in draws]


def _scatter(fits: list[torch.Tensor], photos: int) -> torch.Tensor:
    """Return deviations from the mean, (RESAMPLES, d), scaled so that their squares sum to the variance."""
    rows = torch.stack(fits)
    return (rows - rows.mean(0)) * (photos / (photos - 1) / (len(rows) - 1)) ** 0.5
