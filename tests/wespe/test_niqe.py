"""NIQE on real photos: it rises with every fault, and its features are those of the published look."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data

from wespe.metrics.niqe import Niqe, patch_features


@pytest.fixture(scope="module")
def look() -> Niqe:
    return fit([data.coffee(), data.chelsea(), data.rocket()])


@pytest.fixture(scope="module")
def published(shared_data: Path) -> Niqe:
    """The look of 125 photos that the authors published, in the .npz form that BasicSR made of it."""
    path = _needed(shared_data / "weights" / "niqe_pris_params.npz")
    with np.load(path, allow_pickle=False) as arrays:
        return Niqe(mean=arrays["mu_pris_param"].ravel(), covariance=arrays["cov_pris_param"])


def fit(photos) -> Niqe:
    """Fit to a few photos: enough to rank one photo's distortions, too few to compare with anything else."""
    return Niqe.fit(photos, min_patches=2)


def test_blur_and_noise_take_a_photo_away_from_the_look(look):
    photo = data.astronaut()
    blurred = [look.score(gaussian_filter(photo, (sigma, sigma, 0))) for sigma in (0, 1, 2)]
    noisy = [look.score(_noisy(photo, sigma)) for sigma in (0, 10, 30)]
    assert blurred == sorted(blurred)
    assert noisy == sorted(noisy)


def test_a_set_of_photos_is_nearer_to_itself_than_to_its_blurred_self(look):
    blurred = fit(gaussian_filter(p, (2, 2, 0)) for p in (data.coffee(), data.chelsea(), data.rocket()))
    soft = gaussian_filter(data.astronaut(), (2, 2, 0))
    assert blurred.score(soft) < look.score(soft)
    assert look.score(data.astronaut()) < blurred.score(data.astronaut())


def test_patches_are_whole_and_sharpest_where_the_texture_is():
    photo = np.full((200, 300, 3), 128, np.uint8)
    photo[:96, 96:192] = np.random.default_rng(0).integers(0, 256, (96, 96, 1))
    features, sharpness = patch_features(photo)
    assert features.shape == (6, 36)
    assert sharpness.argmax() == 1


def test_a_photo_without_texture_has_no_score_and_no_part_in_a_look(look):
    white = np.full((192, 192, 3), 255, np.uint8)
    assert np.isnan(look.score(white))
    assert fit([data.coffee(), white]).mean == pytest.approx(fit([data.coffee()]).mean)


def test_small_photos_are_refused_by_name_of_the_limit(look):
    with pytest.raises(ValueError, match="two patches of 96 px in a photo, got 120x100"):
        look.score(np.zeros((100, 120, 3), np.uint8))


def test_too_few_patches_are_refused_with_their_number():
    """Protects: a fit to 2 patches scores a photo 49, a fit to 100 patches about 5."""
    with pytest.raises(ValueError, match=r"at least 100 sharp patches of 96 px; these photos have only \d$"):
        Niqe.fit([data.coffee(), data.chelsea(), data.rocket()])
    with pytest.raises(ValueError, match="these photos have only 0"):
        Niqe.fit([np.zeros((50, 50, 3), np.uint8)])


def test_features_of_good_photos_lie_in_the_middle_of_the_published_look(published, shared_data):
    photos = [np.asarray(Image.open(p)) for p in sorted(_needed(shared_data / "div2k").glob("*_hd.png"))]
    fitted = fit(photos)
    distance = (fitted.mean - published.mean) / np.sqrt(np.diag(published.covariance))
    assert np.abs(distance).max() < 1
    ours, theirs = (np.sqrt(np.diag(look.covariance)) for look in (fitted, published))
    correlations = [look.covariance / np.outer(sd, sd) for look, sd in ((fitted, ours), (published, theirs))]
    assert np.corrcoef(*(c.ravel() for c in correlations))[0, 1] > 0.9


def test_the_published_look_scores_kodaks_photos_near_three(published, shared_data):
    photos = [np.asarray(Image.open(p)) for p in sorted(_needed(shared_data / "kodak24").iterdir())[:6]]
    scores = [published.score(photo) for photo in photos]
    assert np.mean(scores) == pytest.approx(3.2, abs=0.3)
    assert published.score(_noisy(photos[0], 25)) > 2 * scores[0]


def _noisy(photo_hwc: np.ndarray, sigma: float) -> np.ndarray:
    return (
        (photo_hwc + np.random.default_rng(0).normal(0, sigma, photo_hwc.shape)).clip(0, 255).astype(np.uint8)
    )


def _needed(path: Path) -> Path:
    return path if path.exists() else pytest.skip(f"needs {path.name}")
