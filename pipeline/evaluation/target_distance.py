"""Chooses the best of several training runs without pairs, by the distance from the target's patches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wespe.metrics.set_distance import sample_colours, sample_gradients, sliced_wasserstein, texture_distance

PATCHES = 256  # of each set
SAMPLES = 512  # colours per patch, and gradients per patch and scale


@dataclass(frozen=True)
class Distances:
    """Distances between two sets of patches (wespe/metrics/set_distance.py); 0 for equal sets."""

    colour: float
    texture: float


class TargetDistance:
    """Measures distances on the training patches (n, s, s, 3) uint8 of both sets, which may be unpaired."""

    def __init__(self, source: np.ndarray, target: np.ndarray):
        self._source = _spread_out(source)
        self._target = _sampled(_spread_out(target))
        self.untouched = self.measure(lambda patch_hwc: patch_hwc)

    def measure(self, enhance: Callable[[np.ndarray], np.ndarray]) -> Distances:
        """Enhance the source's patches and return their distances from the target's."""
        colours, gradients = _sampled([enhance(patch) for patch in self._source])
        return Distances(
            sliced_wasserstein(colours, self._target[0]), texture_distance(gradients, self._target[1])
        )

    def nearest(self, candidates: Sequence[Distances]) -> int:
        """Return the index of the best. Both distances count equally, relative to untouched patches."""
        units = (max(self.untouched.colour, 1e-9), max(self.untouched.texture, 1e-9))
        return int(np.argmin([one.colour / units[0] + one.texture / units[1] for one in candidates]))


def _spread_out(patches: np.ndarray) -> np.ndarray:
    return patches[np.linspace(0, len(patches) - 1, min(PATCHES, len(patches))).round().astype(int)]


def _sampled(patches: Sequence[np.ndarray] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    colours = [sample_colours(patch, seed, SAMPLES) for seed, patch in enumerate(patches)]
    gradients = [sample_gradients(patch, seed, SAMPLES) for seed, patch in enumerate(patches)]
    return np.concatenate(colours), np.concatenate(gradients)
