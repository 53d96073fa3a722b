"""Learned scores exist where their weights do; a wrong path is reported before any photo is scored."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from pipeline.errors import PipelineError
from pipeline.evaluation.learned_scores import load_learned_scores
from pipeline.evaluation.settings import BrisqueFiles, LearnedScoreFiles, LpipsFiles
from pipeline.models.rater_folder import Accuracy, save_rater
from wespe.metrics.two_samples import PATCHES
from wespe.rater import Rater, RaterConfig

LOOK = [data.astronaut(), data.coffee()]
LARGE_LOOK = LOOK * 34  # enough patches for NIQE


def test_niqe_fitted_to_the_target_prefers_its_photos() -> None:
    score = load_learned_scores(LearnedScoreFiles(), LARGE_LOOK).functions["niqe_target"]
    soft = np.asarray(Image.fromarray(data.chelsea()).resize((150, 100)).resize((451, 300)))
    assert score(LOOK[0]) < score(data.chelsea()) < score(soft)
    assert np.isnan(score(LOOK[0][:50, :50]))  # too small for it, and no score


def test_a_target_without_enough_patches_has_no_niqe_and_says_why() -> None:
    """Protects: fitted to a few patches, NIQE gives any figure from 5 to 49 for one photo."""
    learned = load_learned_scores(LearnedScoreFiles(), LOOK)
    assert learned.functions == {}
    assert "at least 100 sharp patches of 96 px" in learned.left_out["niqe_target"]
    assert "add photos to the target" in learned.left_out["niqe_target"]


def test_given_weights_give_scores(shared_data: Path) -> None:
    weights = shared_data / "weights"
    files = LearnedScoreFiles(
        lpips=LpipsFiles(
            backbone=str(weights / "squeezenet1_1_fp16.safetensors"),
            linear=str(weights / "lpips_squeeze_lin.safetensors"),
        ),
        brisque=BrisqueFiles(
            model=str(weights / "brisque_live.libsvm"), ranges=str(weights / "brisque_live.range")
        ),
    )
    learned = load_learned_scores(files, LOOK)
    clean = LOOK[0]
    noisy = np.clip(clean + np.random.default_rng(0).normal(0, 25, clean.shape), 0, 255).astype(np.uint8)
    assert learned.functions["brisque"](clean) < learned.functions["brisque"](noisy)
    assert learned.functions["lpips"](clean, clean) == pytest.approx(0, abs=1e-6)
    assert learned.functions["lpips"](noisy, clean) > 0.1
    assert learned.functions["probe"](clean, 0).shape[0] == PATCHES


@pytest.mark.parametrize(
    ("score", "files"),
    [
        (
            "lpips",
            LearnedScoreFiles(lpips=LpipsFiles(backbone="none.safetensors", linear="none.safetensors")),
        ),
        ("brisque", LearnedScoreFiles(brisque=BrisqueFiles(model="none.libsvm", ranges="none.range"))),
        ("cornia", LearnedScoreFiles(cornia="none.safetensors")),
        ("cornia", LearnedScoreFiles(cornia=__file__)),
    ],
)
def test_weights_that_cannot_be_read_are_named(score: str, files: LearnedScoreFiles) -> None:
    with pytest.raises(
        PipelineError, match=rf"learned_scores\.{score}: .*(none\.|HeaderToo|[Hh]eader).*remove the key"
    ):
        load_learned_scores(files, LOOK)


def test_a_trained_rater_scores_photos_and_reports_its_accuracy(tmp_path: Path) -> None:
    rater = Rater(RaterConfig(crop_px=32, long_side_px=96, width=1, hidden=1))
    accuracy = Accuracy(value=0.61, low=0.56, high=0.66, photos=400, one_answer=0.51)
    save_rater(tmp_path / "rater", rater, accuracy, {})
    learned = load_learned_scores(LearnedScoreFiles(ffs=str(tmp_path / "rater")), LOOK)
    assert 0 < learned.functions["ffs"](LOOK[0]) < 1
    assert np.isnan(learned.functions["ffs"](LOOK[0][:20, :20]))
    assert learned.facts == {"ffs_accuracy": 0.61}
