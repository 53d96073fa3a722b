"""The score without truth: zero for one distribution, exact for a shift, indifferent to set sizes."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import wasserstein_distance
from skimage import data

from wespe.metrics.set_distance import (
    SCALES,
    sample_colours,
    sample_gradients,
    sliced_wasserstein,
    texture_distance,
)


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


def test_gradients_are_those_of_the_luma_at_each_scale():
    ramp = np.broadcast_to(np.arange(0, 192, 3, dtype=np.uint8)[None, :, None], (64, 64, 3))
    expected = np.array([[[0, 3 * 2**scale]] for scale in range(SCALES)])
    assert np.array_equal(
        sample_gradients(np.ascontiguousarray(ramp)),
        np.broadcast_to(expected.swapaxes(0, 1), (2048, SCALES, 2)),
    )


def test_texture_tells_blur_and_noise_apart_from_brightness():
    photo = data.coffee()
    noisy = (photo + np.random.default_rng(0).normal(0, 10, photo.shape)).clip(0, 255).astype(np.uint8)
    blurred, darker = gaussian_filter(photo, (2, 2, 0)), np.maximum(photo, 20) - 20
    gradients = sample_gradients(photo, count=16_384)
    again, dark, noise, blur = (
        texture_distance(sample_gradients(p, seed=1, count=16_384), gradients)
        for p in (photo, darker, noisy, blurred)
    )
    assert texture_distance(gradients, gradients) == 0
    assert again < dark < 0.5 < 1.5 < noise < blur


def test_a_photo_of_a_few_pixels_has_gradients():
    assert sample_gradients(np.zeros((3, 1, 3), np.uint8), count=5).shape == (5, SCALES, 2)
