"""The judge without truth: zero for one distribution, exact for a shift, indifferent to set sizes."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance
from skimage import data

from wespe.metrics.set_distance import sample_colours, sliced_wasserstein


@pytest.fixture(scope="module")
def colours() -> np.ndarray:
    return sample_colours(data.coffee())


def test_a_set_is_at_no_distance_from_itself(colours):
    assert sliced_wasserstein(colours, colours) == 0


def test_a_grey_shift_costs_its_length_along_every_direction(colours):
    # Moving all by d costs |d · direction|; the mean over the sphere in 3-D is |d| / 2.
    shift = np.array([12.0, 12.0, 12.0])
    expected = np.linalg.norm(shift) / 2
    assert sliced_wasserstein(colours, colours + shift) == pytest.approx(expected, rel=0.15)


def test_one_direction_agrees_with_scipy():
    rng = np.random.default_rng(1)
    first, second = rng.normal(0, 1, 3000), rng.gamma(2, 2, 2000)
    # Grey colours project to (r + g + b) · value: the distance scales with the mean of |r + g + b|.
    grey = [np.repeat(values[:, None], 3, axis=1) for values in (first, second)]
    directions = np.random.default_rng(0).normal(size=(3, 64))
    scale = np.abs((directions / np.linalg.norm(directions, axis=0)).sum(axis=0)).mean()
    assert sliced_wasserstein(*grey) == pytest.approx(scale * wasserstein_distance(first, second), rel=0.01)


def test_sets_of_other_sizes_from_one_photo_stay_close(colours):
    more = sample_colours(data.coffee(), seed=5, count=20_000)
    apart = sliced_wasserstein(colours, sample_colours(data.rocket()))
    assert sliced_wasserstein(colours, more) < 2 < apart


def test_the_same_seed_draws_the_same_pixels():
    photo = data.rocket()
    assert np.array_equal(sample_colours(photo, seed=3), sample_colours(photo, seed=3))
    assert not np.array_equal(sample_colours(photo, seed=3), sample_colours(photo, seed=4))
