"""Each check sees the fault it is there for, and nothing where there is none."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage import data

from wespe.metrics.full_reference import CEILING_DB, psnr
from wespe.metrics.self_checks import (
    colour_correlation,
    contrast_ratio,
    fidelity,
    noise_gain,
    tile_difference,
)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return data.astronaut()


@pytest.fixture(scope="module")
def noisy() -> np.ndarray:
    """A ramp, whose slope is no noise, beside texture, which is not flat; noise of 4 levels on both."""
    rng = np.random.default_rng(0)
    ramp = np.broadcast_to(np.linspace(60, 180, 256)[:, None, None], (256, 256, 3))
    texture = np.broadcast_to(rng.integers(40, 200, (256, 256, 1)), (256, 256, 3))
    return (np.concatenate([ramp, texture]) + rng.normal(0, 4, (512, 256, 3))).astype(np.uint8)


def test_an_unchanged_photo_passes_all_checks(photo):
    assert fidelity(photo, photo) == CEILING_DB
    assert noise_gain(photo, photo) == 1
    assert colour_correlation(photo, photo) == pytest.approx(1)
    assert contrast_ratio(photo, photo) == 1
    assert tile_difference(lambda photo_hwc: photo_hwc, photo, photo) == 0


def test_fidelity_is_the_psnr_to_the_source(photo):
    darker = photo // 2
    assert fidelity(darker, photo) == psnr(darker, photo)


def test_noise_gain_is_the_ratio_of_the_noise_in_flat_areas(noisy):
    assert noise_gain(gaussian_filter(noisy, (3, 3, 0)), noisy) < 0.3
    contrast = ((noisy.astype(float) - 120) * 1.5 + 120).clip(0, 255).astype(np.uint8)
    assert noise_gain(contrast, noisy) == pytest.approx(1.5, rel=0.03)
    louder = (noisy + np.random.default_rng(1).normal(0, 3, noisy.shape)).clip(0, 255).astype(np.uint8)
    assert noise_gain(louder, noisy) == pytest.approx(5 / 4, rel=0.05)


def test_noise_of_colour_alone_counts(noisy):
    grey = np.repeat(noisy[..., :1], 3, axis=2)
    tinted = grey.astype(float)
    speckles = np.random.default_rng(1).normal(0, 8, grey.shape[:2])
    tinted[..., 0] += speckles  # the luma stays as it was
    tinted[..., 1] -= speckles * 0.299 / 0.587
    assert noise_gain(tinted.clip(0, 255).astype(np.uint8), grey) > 1.4


def test_areas_that_were_blown_out_do_not_hide_the_noise_of_the_others(noisy):
    blown = (noisy.astype(float) * 1.8).clip(0, 255).astype(np.uint8)
    assert (blown[:256] == 255).mean() > 0.2
    assert noise_gain(blown, noisy) == pytest.approx(1.8, rel=0.05)


def test_a_photo_without_noise_or_without_unclipped_areas_has_a_finite_noise_gain():
    grey, white = np.full((64, 64, 3), 100, np.uint8), np.full((64, 64, 3), 255, np.uint8)
    assert noise_gain(grey, grey) == noise_gain(white, white) == noise_gain(grey[:5, :5], grey[:5, :5]) == 1


def test_inverted_brightness_and_swapped_colours_have_a_negative_correlation(photo):
    assert colour_correlation(255 - photo, photo) == pytest.approx(-1, abs=0.02)
    assert colour_correlation(photo[..., [1, 0, 2]], photo) == pytest.approx(-1, abs=0.02)
    assert colour_correlation(photo[..., ::-1], photo) < 0


def test_a_grey_photo_has_no_colours_to_invert():
    grey = np.repeat(data.camera()[..., None], 3, axis=2)
    tinted = (grey * np.array([1, 0.8, 0.7])).astype(np.uint8)
    assert colour_correlation(tinted, grey) > 0.99
    flat = np.full((32, 32, 3), 50, np.uint8)
    assert colour_correlation(255 - flat, flat) == 1


def test_collapse_is_no_contrast_and_no_correlation(photo):
    collapsed = np.full_like(photo, 128)
    assert contrast_ratio(collapsed, photo) == 0
    assert colour_correlation(collapsed, photo) == 0
    assert contrast_ratio(photo // 2, photo) == pytest.approx(0.5, abs=0.01)


def test_a_photo_made_grey_or_nearly_so_has_lost_its_contrast_in_colour(photo):
    grey = np.repeat(photo.mean(axis=2, keepdims=True), 3, axis=2)
    assert contrast_ratio(grey.astype(np.uint8), photo) < 0.1
    assert colour_correlation(grey.astype(np.uint8), photo) < 0.3
    assert contrast_ratio((grey + 0.1 * (photo - grey)).astype(np.uint8), photo) < 0.2


def test_a_white_photo_that_stays_white_has_not_collapsed():
    white = np.full((32, 32, 3), 255, np.uint8)
    assert contrast_ratio(white, white) == 1


@pytest.mark.parametrize("size", [(512, 512), (100, 120), (31, 17), (1, 1)])
def test_local_filters_can_be_tiled_and_global_ones_cannot(photo, size):
    source = photo[200 : 200 + size[0], 200 : 200 + size[1]]

    def local(photo_hwc):
        return gaussian_filter(photo_hwc, (0.5, 0.5, 0), truncate=4)  # looks 2 px around

    def stretched(photo_hwc):
        return (photo_hwc - photo_hwc.mean() + 128).clip(0, 255).astype(np.uint8)

    assert tile_difference(local, source, local(source)) == 0
    if min(size) > 50:
        assert tile_difference(stretched, source, stretched(source)) > 1
