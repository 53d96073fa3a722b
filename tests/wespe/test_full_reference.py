"""The scores mean what the literature means by them: by hand, by another library, and on DPED's own pairs."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from wespe.metrics.full_reference import is_degenerate, ms_ssim, ms_ssim_dped, psnr, ssim

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
    for score in (ssim, ms_ssim, ms_ssim_dped):
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
