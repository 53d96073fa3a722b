"""The probe: how well a linear classifier on frozen features tells a set of photos from the target's.

The classifier two-sample test of Lopez-Paz and Oquab (2017), on the features of LPIPS.
"""

import numpy as np
import torch

from wespe.batch import photos_nchw
from wespe.networks.features import Features

PATCHES, PATCH_PX = 8, 96  # of each photo
FOLDS, CHUNK = 5, 64


class Probe:
    """Describes photos by means and deviations of frozen features.

    features: whose layers are used. device: where they are.
    """

    def __init__(self, features: Features, device: torch.device | str = "cpu"):
        self.features, self.device = features, device

    def __call__(self, photo_hwc: np.ndarray, seed: int) -> np.ndarray:
        """Return features (PATCHES, d) of random patches of a uint8 photo, at least 32 px a side."""
        rng, side = np.random.default_rng(seed), min(PATCH_PX, *photo_hwc.shape[:2])
        corners = rng.integers(np.subtract(photo_hwc.shape[:2], side - 1), size=(PATCHES, 2))
        return self.describe(np.stack([photo_hwc[y : y + side, x : x + side] for y, x in corners]))

    @torch.inference_mode()
    def describe(self, patches_nhwc: np.ndarray) -> np.ndarray:
        """Return features (n, d) of uint8 patches."""
        found = [self._of(part) for part in torch.from_numpy(patches_nhwc).split(CHUNK)]
        return torch.cat(found).cpu().numpy()

    def _of(self, patches_nhwc: torch.Tensor) -> torch.Tensor:
        found = self.features(photos_nchw(patches_nhwc, self.device))
        layers = [layer.flatten(2).double() for layer in found]
        return torch.cat(
            [part for layer in layers for part in (layer.mean(2), layer.std(2, correction=0))], 1
        )


def auc(features: np.ndarray, target: np.ndarray) -> float:
    """Return the area under the ROC curve of a cross-validated ridge classifier: 0.5 to 1, by chance below.

    features, target: what `Probe` returns for the photos of each set, concatenated. All patches of a photo
    are in one fold. NaN with fewer than FOLDS photos in a set.
    """
    photos = np.concatenate([np.arange(len(side)) // PATCHES for side in (features, target)])
    if min(len(features), len(target)) < FOLDS * PATCHES:
        return float("nan")
    rows, theirs = np.concatenate([features, target]), np.repeat([False, True], [len(features), len(target)])
    parts = [photos % FOLDS == fold for fold in range(FOLDS)]
    scores = np.empty(len(rows))
    for held in parts:
        scores[held] = _predicted(rows[~held], theirs[~held], rows[held])
    # Scores of different folds have different origins, so pairs are only compared within a fold.
    return float(np.mean([_area(scores[held], theirs[held]) for held in parts]))


def _predicted(rows: np.ndarray, theirs: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    mean, deviation = rows.mean(0), np.maximum(rows.std(0), 1e-9)
    rows, unknown = (rows - mean) / deviation, (unknown - mean) / deviation
    # With fewer rows than features, the dual form is faster. The penalty halves features' correlations.
    weights = np.linalg.solve(rows @ rows.T + len(rows) * np.eye(len(rows)), theirs - theirs.mean())
    return unknown @ rows.T @ weights


def _area(scores: np.ndarray, theirs: np.ndarray) -> float:
    """Return the share of pairs in the right order."""
    low, high = scores[~theirs], scores[theirs]
    return float((high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean())
