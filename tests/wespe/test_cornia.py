"""CORNIA's codes are the definition's, whatever the size of the photo, and its file comes back whole."""

import numpy as np
import pytest
from safetensors import safe_open
from skimage import data

from wespe.metrics.cornia import BATCH, Codebook, Cornia, fit_whitening, sample_patches


@pytest.fixture(scope="module")
def cornia() -> Cornia:
    random = np.random.default_rng(0)
    centre, whitening = fit_whitening(sample_patches(data.coffee(), 5000))
    words = random.normal(size=(BATCH + 20, 49)).astype(np.float32)
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    codebook = Codebook(centre=centre, whitening=whitening, words=words)
    return Cornia(codebook=codebook, weights=random.normal(size=2 * len(words)).astype(np.float32), bias=7.0)


def test_a_code_is_the_largest_positive_and_negative_part_of_the_dot_products(cornia):
    codebook, photo = cornia.codebook, data.chelsea()
    answers = ((sample_patches(photo) - codebook.centre) @ codebook.whitening) @ codebook.words.T
    expected = np.concatenate([answers.clip(min=0).max(axis=0), (-answers).clip(min=0).max(axis=0)])
    np.testing.assert_allclose(codebook.encode(photo), expected, rtol=1e-4)


def test_patches_have_no_mean_and_no_contrast_left():
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    patches = sample_patches(noise, 2000)
    assert patches.shape == (2000, 49)
    assert np.abs(patches.mean(axis=1)).max() < 1e-4
    np.testing.assert_allclose(patches.std(axis=1), 1, atol=0.02)
    assert not sample_patches(np.full((20, 20, 3), 200, np.uint8), 10).any()


def test_patches_are_drawn_from_all_of_a_photo_and_are_the_same_every_time():
    corner = np.zeros((40, 60, 3), np.uint8)
    corner[-7:, -7:] = np.random.default_rng(0).integers(0, 256, (7, 7, 3))
    assert sample_patches(corner, 5000).any()
    np.testing.assert_array_equal(sample_patches(data.coffee(), 50), sample_patches(data.coffee(), 50))


def test_whitened_patches_are_uncorrelated():
    patches = sample_patches(data.coffee(), 20_000)
    centre, whitening = fit_whitening(patches)
    covariance = np.cov((patches - centre) @ whitening, rowvar=False)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 0.1
    assert np.abs(np.cov(patches, rowvar=False)).max() > 0.3  # they were correlated


def test_a_cornia_comes_back_from_its_file_and_says_whose_it_is(cornia, tmp_path):
    path = tmp_path / "cornia.safetensors"
    path.write_bytes(cornia.to_bytes("trained here"))
    assert Cornia.from_bytes(path.read_bytes()).score(data.chelsea()) == cornia.score(data.chelsea())
    with safe_open(path, "numpy") as file:
        assert file.metadata() == {"origin": "trained here"}


def test_photos_smaller_than_a_patch_are_refused(cornia):
    with pytest.raises(ValueError, match="at least 7 px on each side, got 9x6"):
        cornia.score(np.zeros((6, 9, 3), np.uint8))
