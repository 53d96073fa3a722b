"""Decisions over time: a film's frames are decided together, so that their light does not flicker.

A generator decides each frame by itself, and its decisions jump with what moves through the picture. Their
mean over about a second, forward and back, does not, and lags behind nothing. No mean reaches over a cut.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from wespe.views import texture_view

HALF_S = 1.0  # the mean's weights fall to zero at this distance; light that changes slower is followed
SHRINK_S = 0.1  # spread of the decisions' times at which the slope is halved
BINS = 16  # per channel of a histogram
# A cut changes both the levels and what is where. A flash or the camera's exposure only changes the levels, a
# pan only the places. A cut between alike levels is missed, and does little harm: alike is decided alike.
CUT_LEVELS, CUT_STRUCTURE = 0.2, 0.5
FLAT = 1e-4  # variance of luma, 0–1, that has no structure to compare


class Change(NamedTuple):
    """How much two consecutive frames differ.

    levels: 0–1, the share of pixels that moved to another bin of the histograms. structure: 0–2, one minus
    the correlation of their luma.
    """

    levels: float
    structure: float

    @property
    def is_cut(self) -> bool:
        return self.levels > CUT_LEVELS and self.structure > CUT_STRUCTURE


def change(before_nchw: torch.Tensor, after_nchw: torch.Tensor) -> Change:
    """Compare two frames, reduced to the same small size, (1, 3, h, w), float 0–1."""
    apart = (_histograms(before_nchw) - _histograms(after_nchw)).abs().sum(1) / 2
    return Change(float(apart.mean()), 1 - _correlation(texture_view(before_nchw), texture_view(after_nchw)))


def _histograms(frame_nchw: torch.Tensor) -> torch.Tensor:
    """Return the share of pixels in each bin, (3, BINS)."""
    bins = (frame_nchw[0].flatten(1) * BINS).long().clamp(0, BINS - 1)
    counts = torch.zeros(bins.shape[0], BINS).scatter_add_(1, bins, torch.ones(bins.shape))
    return counts / bins.shape[1]


def _correlation(one: torch.Tensor, other: torch.Tensor) -> float:
    """Correlate two planes; two flat ones are alike, and a flat one is like no other."""
    one, other = one - one.mean(), other - other.mean()
    flat = (one.square().mean() < FLAT, other.square().mean() < FLAT)
    if any(flat):
        return float(all(flat))
    return float((one * other).mean() / (one.square().mean() * other.square().mean()).sqrt())


@dataclass(frozen=True, kw_only=True)
class Track:
    """The decisions at some frames of a film.

    times_s: of the decisions, increasing. shots: the number of the shot that each belongs to.
    """

    times_s: Sequence[float]
    shots: Sequence[int]
    decisions: Sequence[Any]

    def at(self, time_s: float, shot: int, half_s: float = HALF_S) -> Any:
        """Return the decision of a shot at a time, from those around it; else the nearest of the shot."""
        first, last = bisect_right(self.times_s, time_s - half_s), bisect_left(self.times_s, time_s + half_s)
        near = [number for number in range(first, last) if self.shots[number] == shot]
        if not near:
            return self._nearest(time_s, shot)
        weights = line_weights([self.times_s[number] - time_s for number in near], half_s)
        return weighted(weights, [self.decisions[number] for number in near])

    def _nearest(self, time_s: float, shot: int) -> Any:
        inside = [number for number, one in enumerate(self.shots) if one == shot]
        return self.decisions[min(inside, key=lambda number: abs(self.times_s[number] - time_s))]


def line_weights(distances_s: Sequence[float], half_s: float) -> list[float]:
    """Return weights with the sum 1, for the value at distance 0 of the line through values around it.

    Local linear regression with a triangular kernel (Cleveland 1979). In the midst of a shot it is the mean;
    at its ends, where all values lie on one side, a mean would lag behind a drift by a third of a second. The
    slope is shrunk, so that a line through few values does not reach far.
    """
    x = torch.tensor(distances_s, dtype=torch.float64)
    kernel = 1 - x.abs() / half_s
    kernel = kernel / kernel.sum()
    centre = (kernel * x).sum()
    spread = (kernel * (x - centre).square()).sum() + SHRINK_S**2
    return (kernel * (1 - centre * (x - centre) / spread)).tolist()


def weighted(weights: Sequence[float], decisions: Sequence[Any]) -> Any:
    """Return the weighted sum of decisions, which are NamedTuples of tensors or of such NamedTuples."""

    def total(*tensors: torch.Tensor) -> torch.Tensor:
        return sum(tensor * weight for tensor, weight in zip(tensors, weights, strict=True))  # type: ignore[return-value]

    return mapped(total, *decisions)


def mapped(function: Callable[..., torch.Tensor], *decisions: Any) -> Any:
    """Apply a function to the corresponding tensors of decisions of the same type."""
    first = decisions[0]
    if first is None:  # of a generator that does not decide
        return None
    if isinstance(first, torch.Tensor):
        return function(*decisions)
    return type(first)(*(mapped(function, *parts) for parts in zip(*decisions, strict=True)))


def flattened(decision: Any) -> list[torch.Tensor]:
    """Return the tensors of a decision, in order."""
    if decision is None:
        return []
    if isinstance(decision, torch.Tensor):
        return [decision]
    return [tensor for part in decision for tensor in flattened(part)]


def rebuilt(like: Any, tensors: Sequence[torch.Tensor]) -> Any:
    """Undo `flattened`, for a decision of the same type."""
    rest = iter(tensors)
    return mapped(lambda _: next(rest), like)
