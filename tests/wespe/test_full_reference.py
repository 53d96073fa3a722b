"""The scores mean what the literature means by them: by hand, by another library, and on DPED's own pairs."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.signal import convolve2d
from skimage import data
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import structural_similarity
from sklearn.linear_model import LinearRegression
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from wespe.metrics.full_reference import (
    CEILING_DB,
    delta_e2000,
    gmsd,
    is_degenerate,
    ms_ssim,
    ms_ssim_dped,
    pooled_psnr,
    psnr,
    psnr_best_affine,
    ssim,
    ssim_luma,
)
from wespe.metrics.planes import luma

PAIRS = Path(os.environ.get("WESPE_DATA", "../shared/data")) / "iphone3gs" / "pairs"


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return data.astronaut()[100:292, 150:350]


@pytest.fixture(scope="module")
def degraded(photo: np.ndarray) -> np.ndarray:
    noisy = photo * 0.8 + np.random.default_rng(0).normal(0, 12, photo.shape)
    return noisy.clip(0, 255).astype(np.uint8)


def test_psnr_worked_out_by_hand():
    black, grey = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 51, np.uint8)
    assert psnr(grey, black) == pytest.approx(20 * np.log10(5))  # an error of 51 is a fifth of 255


def test_psnr_does_not_wrap_around_in_uint8():
    one, two = np.full((2, 2, 3), 255, np.uint8), np.full((2, 2, 3), 254, np.uint8)
    assert psnr(one, two) == psnr(two, one) == pytest.approx(48.13, abs=0.01)


def test_psnr_of_identical_photos_is_infinite_and_only_flat_ones_are_degenerate(photo):
    white = np.full((8, 8, 3), 255, np.uint8)
    assert psnr(photo, photo) == float("inf")
    assert is_degenerate(white, white)
    assert not is_degenerate(photo, photo)


def test_the_pooled_psnr_is_that_of_all_photos_as_one(photo, degraded):
    other = np.full_like(photo, 90)
    together = psnr(np.concatenate([degraded, other]), np.concatenate([photo, photo]))
    assert pooled_psnr([psnr(degraded, photo), psnr(other, photo)]) == pytest.approx(together)
    assert pooled_psnr([float("inf"), float("inf")]) == float("inf")


def test_the_best_affine_colour_is_that_of_scikit_learn(photo, degraded):
    colours, wanted = degraded.reshape(-1, 3).astype(float), photo.reshape(-1, 3)
    mapped = LinearRegression().fit(colours, wanted).predict(colours)
    mapped = np.rint(mapped).clip(0, 255).astype(np.uint8).reshape(photo.shape)
    assert psnr_best_affine(degraded, photo) == pytest.approx(psnr(mapped, photo), abs=1e-6)


def test_a_pure_colour_cast_is_no_error_after_the_best_colour_and_a_blur_is(photo):
    cast = (photo * np.array([0.9, 0.7, 0.8]) + 20).round().clip(0, 255).astype(np.uint8)
    blurred = np.asarray(Image.fromarray(photo).resize((50, 48)).resize((200, 192)))
    assert psnr(cast, photo) < 23 < 45 < psnr_best_affine(cast, photo)
    assert psnr_best_affine(blurred, photo) < psnr(blurred, photo) + 1


@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_flat_truth_does_not_make_the_best_colour_infinite(photo, level):
    assert psnr_best_affine(photo, np.full_like(photo, level)) == CEILING_DB
    assert psnr_best_affine(np.full_like(photo, 3), np.full_like(photo, level)) == CEILING_DB


def test_ssim_agrees_with_scikit_image(photo, degraded):
    settings = {"data_range": 255, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    colour = structural_similarity(photo, degraded, channel_axis=-1, **settings)
    brightness = structural_similarity(luma(photo), luma(degraded), **settings)
    assert ssim(photo, degraded) == pytest.approx(colour, abs=1e-5)
    assert ssim_luma(photo, degraded) == pytest.approx(brightness, abs=1e-5)


def test_gmsd_agrees_with_the_published_code(photo, degraded):
    def magnitude(plane):
        mean = convolve2d(plane, np.full((2, 2), 0.25))[1::2, 1::2]  # MATLAB centres an even kernel there
        across = np.array([[1, 0, -1]] * 3) / 3
        return np.hypot(convolve2d(mean, across, "same"), convolve2d(mean, across.T, "same"))

    first, second = (magnitude(luma(p).astype(float)) for p in (photo, degraded))
    quality = (2 * first * second + 170) / (first**2 + second**2 + 170)
    assert gmsd(degraded, photo) == pytest.approx(quality.std(), abs=1e-6)
    assert gmsd(photo, photo) == 0


def test_delta_e_of_a_large_photo_is_nearly_that_of_all_its_pixels(photo, degraded):
    exact = np.mean(deltaE_ciede2000(rgb2lab(degraded), rgb2lab(photo)))
    assert delta_e2000(degraded, photo) == pytest.approx(exact)
    large, truth = (np.tile(p, (3, 3, 1)) for p in (degraded, photo))
    assert delta_e2000(large, truth) == pytest.approx(exact, abs=0.05)
    assert delta_e2000(np.zeros_like(photo), np.full_like(photo, 255)) == pytest.approx(100)


def test_ssim_agrees_with_torchmetrics_in_float64(photo, degraded):
    a, b = (torch.from_numpy(p).permute(2, 0, 1)[None].double() / 255 for p in (photo, degraded))
    # torchmetrics counts a reflected border; over the inner windows both mean the same.
    maps = structural_similarity_index_measure(a, b, sigma=1.5, data_range=1.0, return_full_image=True)[1]
    assert ssim(photo, degraded) == pytest.approx(maps[..., 5:-5, 5:-5].mean().item(), abs=1e-5)


def test_ms_ssim_agrees_with_torchmetrics(photo, degraded):
    a, b = (torch.from_numpy(p).permute(2, 0, 1)[None].double() / 255 for p in (photo, degraded))
    reference = multiscale_structural_similarity_index_measure(a, b, data_range=1.0).item()
    assert ms_ssim(photo, degraded) == pytest.approx(
        reference, abs=5e-4
    )  # torchmetrics counts a reflected border


def test_ms_ssim_refuses_photos_too_small_for_five_scales(photo):
    with pytest.raises(ValueError, match="at least 176 px"):
        ms_ssim(photo[:100, :100], photo[:100, :100])


def test_an_identical_photo_has_similarity_one(photo):
    for score in (ssim, ssim_luma, ms_ssim, ms_ssim_dped):
        assert score(photo, photo) == pytest.approx(1)


def test_ms_ssim_dped_of_flat_photos_is_the_luminance_term_alone():
    a, b = np.full((100, 100, 3), 100, np.uint8), np.full((100, 100, 3), 150, np.uint8)
    c1 = (0.01 * 255) ** 2
    luminance = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
    assert ms_ssim_dped(a, b) == pytest.approx(luminance**0.1333)


def test_floats_and_unequal_shapes_are_refused(photo):
    with pytest.raises(ValueError, match="uint8"):
        psnr(photo / 255, photo / 255)
    with pytest.raises(ValueError, match="one shape"):
        ssim(photo, photo[:-1])


@pytest.mark.skipif(not PAIRS.is_dir(), reason="needs ../shared/data")
def test_untouched_dped_pairs_score_as_published_measurements_say():
    truths = {path.stem: path for path in (PAIRS / "canon").iterdir()}
    names = sorted(path for path in (PAIRS / "iphone").iterdir())
    pairs = [(_read(path), _read(truths[path.stem])) for path in names]
    pairs = [pair for pair in pairs if not is_degenerate(*pair)]
    photos, canon = (np.stack(side) for side in zip(*pairs, strict=True))
    assert np.mean([psnr(a, b) for a, b in pairs]) == pytest.approx(17.43, abs=0.005)
    assert ms_ssim_dped(photos, canon) == pytest.approx(0.843, abs=0.0005)


def _read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))
