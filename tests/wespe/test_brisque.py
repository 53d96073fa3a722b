"""BRISQUE: a regression that is worked out by hand, and the published one on real photos."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data
from sklearn.svm import SVR

from wespe.metrics.brisque import Brisque, brisque_features

HEADER = "svm_type epsilon_svr\nkernel_type rbf\ngamma 0.05\nnr_class 2\ntotal_sv {count}\nrho {rho}\nSV\n"


@pytest.fixture(scope="module")
def published(shared_data: Path) -> Brisque:
    weights = shared_data / "weights"
    if not (weights / "brisque_live.libsvm").exists():
        pytest.skip("needs weights/brisque_live.libsvm")
    return Brisque.read(weights / "brisque_live.libsvm", weights / "brisque_live.range")


@pytest.fixture
def ranges(tmp_path: Path) -> Path:
    path = tmp_path / "ranges"
    path.write_text("x\n-1 1\n" + "".join(f"{n} -2 10\n" for n in range(1, 37)))
    return path


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_model_file_gives_what_libsvm_predicts(tmp_path, ranges, line_end):
    random = np.random.default_rng(0)
    vectors, ratings = random.uniform(-1, 1, (30, 36)), random.uniform(0, 100, 30)
    vectors[:, 5] = 0  # left out of the file, as svm-train does
    svr = SVR(kernel="rbf", gamma=0.05, C=100).fit(vectors, ratings)
    text = HEADER.format(count=len(svr.support_), rho=-svr.intercept_[0])
    for coefficient, vector in zip(svr.dual_coef_[0], svr.support_vectors_, strict=True):
        text += f"{coefficient} " + " ".join(f"{n}:{v}" for n, v in enumerate(vector, 1) if v) + " \n"
    path = tmp_path / "model"
    path.write_text(text.replace("\n", line_end), newline="")
    photo = data.chelsea()
    scaled = (brisque_features(photo) + 2) / 6 - 1
    assert Brisque.read(path, ranges).score(photo) == pytest.approx(svr.predict([scaled])[0])


def test_other_models_and_cut_files_are_refused_by_name(tmp_path, ranges):
    path = tmp_path / "model"
    path.write_text(HEADER.format(count=2, rho=0) + "1 1:0.5\n")
    with pytest.raises(ValueError, match=r"model: only 1 of 2 support vectors"):
        Brisque.read(path, ranges)
    path.write_text("svm_type c_svc\nkernel_type rbf\nSV\n")
    with pytest.raises(ValueError, match="epsilon_svr"):
        Brisque.read(path, ranges)
    with pytest.raises(ValueError, match="not ranges of 36 features"):
        Brisque.read(path, path)


def test_tiny_photos_are_refused_and_flat_ones_have_no_features():
    with pytest.raises(ValueError, match="at least 16 px on each side, got 20x10"):
        brisque_features(np.zeros((10, 20, 3), np.uint8))
    assert np.isnan(brisque_features(np.zeros((64, 64, 3), np.uint8))).any()


def test_features_of_real_photos_lie_in_the_published_ranges(published):
    for photo in (data.chelsea(), data.astronaut(), data.rocket(), data.coffee()):
        scaled = 2 * (brisque_features(photo) - published.minima) / (published.maxima - published.minima) - 1
        assert (
            np.abs(scaled).max() < 1.2
        )  # coffee is noisier than LIVE's photos: 1.13; the others stay below 0.86


@pytest.mark.parametrize("fault", ["blur", "noise", "jpeg"])
def test_the_published_rating_gets_worse_with_every_fault(published, fault):
    photo = data.astronaut()
    scores = [published.score(photo), *(published.score(p) for p in _damaged(photo, fault))]
    assert scores == sorted(scores)
    assert 0 < scores[0] < 10
    assert 40 < scores[-1] < 100


def _damaged(photo: np.ndarray, fault: str) -> list[np.ndarray]:
    match fault:
        case "blur":
            return [gaussian_filter(photo, (sigma, sigma, 0)) for sigma in (1, 2, 4)]
        case "noise":
            noise = np.random.default_rng(0).normal(0, 1, photo.shape)
            return [(photo + sigma * noise).clip(0, 255).astype(np.uint8) for sigma in (8, 20, 50)]
    return [_jpeg(photo, quality) for quality in (50, 25, 8)]


def _jpeg(photo: np.ndarray, quality: int) -> np.ndarray:
    file = BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))
