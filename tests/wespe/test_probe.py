"""The probe tells sets apart that differ, and does not mistake knowing a photo for knowing its set."""

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage import data

from wespe.metrics.probe import Probe
from wespe.metrics.two_samples import PATCHES, auc
from wespe.networks.features import ContentConfig, Features


def photos(count: int, *, scatter: float, shift: float, seed: int) -> np.ndarray:
    """Features of photos: each has an offset of its own, its patches differ little."""
    rng = np.random.default_rng(seed)
    offsets = np.repeat(scatter * rng.standard_normal((count, 40)), PATCHES, axis=0)
    return offsets + rng.standard_normal(offsets.shape) + shift


def test_different_sets_are_told_apart() -> None:
    assert auc(photos(20, scatter=0, shift=0.5, seed=0), photos(30, scatter=0, shift=0, seed=1)) > 0.95


def test_a_classifier_that_knows_photos_by_heart_gains_nothing() -> None:
    """Protects: folds by photo. With patches of a photo in two folds, this would be near 1."""
    areas = [
        auc(photos(20, scatter=3, shift=0, seed=n), photos(20, scatter=3, shift=0, seed=n + 99))
        for n in range(5)
    ]
    assert 0.3 < np.mean(areas) < 0.7


@pytest.mark.parametrize("counts", [(4, 9), (9, 4)])
def test_few_photos_give_no_score(counts: tuple[int, int]) -> None:
    assert math.isnan(auc(*(photos(n, scatter=0, shift=0, seed=n) for n in counts)))


def test_a_blurred_photo_is_told_from_a_sharp_one() -> None:
    probe = Probe(Features(ContentConfig(layers={"relu1_1": 1.0, "relu2_1": 1.0}, weights="random")))
    scenes = [*np.split(data.astronaut(), 4), *np.split(data.coffee(), 4)]
    soft = [gaussian_filter(scene, (1.5, 1.5, 0)) for scene in scenes]
    sharp, blurred = (np.concatenate([probe(photo, 0) for photo in side]) for side in (scenes, soft))
    assert sharp.shape == (len(scenes) * PATCHES, 2 * (64 + 128))
    assert np.array_equal(probe(scenes[0], 0), sharp[:PATCHES])
    assert auc(blurred, sharp) > 0.75


def test_photos_smaller_than_a_patch_are_described() -> None:
    """Protects: an evaluation with learned scores, which one tiny photo would otherwise end."""
    probe = Probe(Features(ContentConfig(layers={"relu4_1": 1.0}, weights="random")))
    for height, width in ((40, 50), (3, 200), (1, 1)):
        assert np.isfinite(probe(data.coffee()[:height, :width], 0)).all()
