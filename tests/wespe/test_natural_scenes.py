"""The fits find what was put in, and scaling is MATLAB's, as the published parameters expect."""

import numpy as np
import pytest
import torch
from scipy.stats import gennorm

from wespe.metrics.natural_scenes import fit_aggd, fit_ggd, halve, luma, neighbour_products, normalise


@pytest.mark.parametrize("shape", [0.7, 1.0, 2.0, 4.0])
def test_a_symmetric_fit_recovers_shape_and_variance(shape):
    values = 0.5 * gennorm.rvs(shape, size=(400, 400), random_state=0)
    fitted, variance = fit_ggd(values)
    assert fitted == pytest.approx(shape, rel=0.03)
    assert variance == pytest.approx(0.25 * gennorm.var(shape), rel=0.02)


def test_an_asymmetric_fit_recovers_both_sides_of_several_patches():
    sides = [(0.3, 0.9), (0.5, 0.5), (1.2, 0.4)]
    normal = np.abs(np.random.default_rng(0).normal(size=(300, 300)))
    patches = []
    for left, right in sides:  # an AGGD has as many values on a side as that side is wide
        chosen_left = np.random.default_rng(1).random(normal.shape) < left / (left + right)
        patches.append(np.where(chosen_left, -left * normal, right * normal))
    fit = fit_aggd(np.stack(patches))
    assert fit.shape == pytest.approx([2, 2, 2], rel=0.03)
    assert fit.left == pytest.approx([left for left, _ in sides], rel=0.02)
    assert fit.right == pytest.approx([right for _, right in sides], rel=0.02)


def test_halving_is_antialiased_bicubic_with_a_mirrored_border():
    plane = np.random.default_rng(0).uniform(0, 255, (41, 64)).astype(np.float32)
    mirrored = np.pad(plane, ((8, 9), (8, 8)), mode="symmetric")  # torch has no such border
    reference = torch.nn.functional.interpolate(
        torch.from_numpy(mirrored)[None, None], scale_factor=0.5, mode="bicubic", antialias=True
    )[0, 0, 4:-4, 4:-4]
    assert halve(plane).shape == (21, 32)
    np.testing.assert_allclose(halve(plane), reference, atol=1e-3)


def test_normalised_coefficients_are_worked_out_by_hand_around_one_point():
    plane = np.zeros((15, 15), np.float32)
    plane[7, 7] = 100
    tap = 1 / np.exp(-0.5 * ((np.arange(7) - 3) / (7 / 6)) ** 2).sum()  # the window's middle, per axis
    mean, mean_square = 100 * tap**2, 100**2 * tap**2
    coefficients, deviations = normalise(plane, "nearest")
    assert deviations[7, 7] == pytest.approx(np.sqrt(mean_square - mean**2), rel=1e-4)
    assert coefficients[7, 7] == pytest.approx((100 - mean) / (deviations[7, 7] + 1), rel=1e-4)


def test_a_flat_plane_has_no_coefficients_whatever_its_level():
    coefficients, deviations = normalise(np.full((20, 20), 255, np.float32), "nearest")
    assert not coefficients.any()
    assert not deviations.any()


def test_neighbours_are_right_below_and_on_both_diagonals():
    plane = np.zeros((5, 5))
    plane[2, 2] = 1
    for (row, column), shift in zip([(2, 3), (3, 2), (3, 3), (3, 1)], range(4), strict=True):
        pair = plane.copy()
        pair[row, column] = 1
        products = neighbour_products(pair)
        assert [p.sum() for p in products] == [float(n == shift) for n in range(4)]


def test_luma_is_rounded_to_8_bits():
    assert luma(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)).tolist() == [[76, 150, 29]]
