"""Scores without a truth: worked out by hand, or recovering what was put in."""

import numpy as np
import pytest
from skimage import data

from wespe.metrics.no_reference import colourfulness, entropy, noise, png_bpp


def test_entropy_counts_the_bits_of_the_luma():
    halves = np.zeros((8, 8, 3), np.uint8)
    halves[:4] = 200
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=2)
    assert entropy(halves) == pytest.approx(1)
    assert entropy(ramp) == pytest.approx(8)


def test_png_bpp_is_at_the_raw_size_for_pure_noise_and_near_nothing_for_a_flat_photo():
    random = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    assert 24 <= png_bpp(random) < 24.3
    assert png_bpp(np.zeros((128, 128, 3), np.uint8)) < 0.2


@pytest.mark.parametrize("sigma", [2, 5, 10])
def test_noise_recovers_the_sigma_that_was_added(sigma):
    grey = np.full((256, 256, 1), 128) + np.random.default_rng(0).normal(0, sigma, (256, 256, 1))
    photo = np.repeat(grey.round().astype(np.uint8), 3, axis=2)
    assert noise(photo) == pytest.approx(sigma, rel=0.03)


def test_noise_ignores_a_smooth_ramp():
    ramp = np.broadcast_to(np.arange(0, 200, 2, dtype=np.uint8)[None, :, None], (50, 100, 3))
    assert noise(np.ascontiguousarray(ramp)) == pytest.approx(0)


def test_colourfulness_worked_out_by_hand():
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 200  # constant opponents: rg = 200, yb = 100, no spread
    grey = np.repeat(data.camera()[:64, :64, None], 3, axis=2)
    assert colourfulness(red) == pytest.approx(0.3 * np.hypot(200, 100))
    assert colourfulness(grey) == 0


def test_colourfulness_adds_spread_to_offset():
    photo = np.zeros((2, 2, 3), np.uint8)
    photo[0, :, 0] = 100  # rg is 100 or 0: mean 50, deviation 50; yb is 50 or 0: mean 25, deviation 25
    assert colourfulness(photo) == pytest.approx(1.3 * np.hypot(50, 25))
