"""The probe: how well a linear classifier on frozen features separates enhanced from target patches."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from wespe.networks.features import ContentConfig, Features, read_weights

BACKBONES = {
    "vgg19": ("vgg19_to_relu3_1.safetensors", ("relu1_2", "relu2_2", "relu3_1")),
    "squeezenet1_1": ("squeezenet1_1_fp16.safetensors", ("features_1", "features_4", "features_7")),
}
FOLDS, RIDGE, NEWTON_STEPS = 5, 10.0, 12
CHUNK = 64


class Probe:
    """Frozen features of one backbone, averaged over a patch: their means and deviations."""

    def __init__(self, backbone: str, weights: Path, device: torch.device):
        file, layers = BACKBONES[backbone]
        config = ContentConfig(
            backbone=backbone,  # type: ignore[arg-type]
            layers=dict.fromkeys(layers, 1.0),
            weights=str(weights / file),
        )
        self.features = Features(config, read_weights(weights / file, config)).to(device)

    @torch.no_grad()
    def describe(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        """(n, d), in double precision."""
        rows = []
        for chunk in photos_nchw.split(CHUNK):
            layers = [layer.flatten(2) for layer in self.features(chunk)]
            rows.append(torch.cat([f(layer) for layer in layers for f in (_mean, _deviation)], dim=1))
        return torch.cat(rows).double()


def _mean(layer: torch.Tensor) -> torch.Tensor:
    return layer.mean(2)


def _deviation(layer: torch.Tensor) -> torch.Tensor:
    return layer.std(2)


def auc(
    enhanced: torch.Tensor, target: torch.Tensor, origins: Sequence[str], others: Sequence[str], seed: int = 0
) -> float:
    """Return the AUC of a cross-validated logistic regression; patches of one photo are in the same fold."""
    folds = torch.tensor([*_folds(origins, seed), *_folds(others, seed)], device=enhanced.device)
    rows = torch.cat([enhanced, target])
    truth = torch.cat([torch.zeros(len(enhanced)), torch.ones(len(target))]).to(rows)
    scores = torch.zeros_like(truth)
    for fold in range(FOLDS):
        held = folds == fold
        mean, deviation = rows[~held].mean(0), rows[~held].std(0).clamp(min=1e-6)
        known, unknown = ((side - mean) / deviation for side in (rows[~held], rows[held]))
        scores[held] = _with_one(unknown) @ _regression(_with_one(known), truth[~held])
    return _area(scores, truth)


def _folds(origins: Sequence[str], seed: int) -> list[int]:
    names = sorted(set(origins))
    places = np.random.default_rng(seed).permutation(len(names)) % FOLDS
    of = dict(zip(names, places.tolist(), strict=True))
    return [of[origin] for origin in origins]


def _with_one(rows: torch.Tensor) -> torch.Tensor:
    return torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)


def _regression(rows: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Ridge logistic regression by Newton's method."""
    weights = rows.new_zeros(rows.shape[1])
    penalty = torch.full_like(weights, RIDGE)
    penalty[-1] = 1e-3
    for _ in range(NEWTON_STEPS):
        shares = torch.sigmoid(rows @ weights)
        gradient = rows.T @ (shares - truth) + penalty * weights
        curvature = (rows * (shares * (1 - shares)).clamp(min=1e-6)[:, None]).T @ rows + penalty.diag()
        weights = weights - torch.linalg.solve(curvature, gradient)
    return weights


def _area(scores: torch.Tensor, truth: torch.Tensor) -> float:
    """Return the share of correctly ordered pairs (the AUC)."""
    low, high = scores[truth == 0], scores[truth == 1]
    above = (high[:, None] > low[None]).double() + 0.5 * (high[:, None] == low[None]).double()
    return float(above.mean())
