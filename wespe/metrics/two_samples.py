"""How well a linear classifier tells two sets of photos apart (Lopez-Paz and Oquab 2017)."""

import numpy as np

PATCHES = 8  # of each photo
FOLDS = 5


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
