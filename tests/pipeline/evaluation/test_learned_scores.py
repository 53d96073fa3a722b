"""Judges exist where their weights or their look do, and a wrong path is told before any photo is scored."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from pipeline.errors import PipelineError
from pipeline.evaluation.learned_scores import load_judges
from pipeline.evaluation.settings import BrisqueFiles, JudgeFiles, LpipsFiles
from pipeline.models.rater_folder import Accuracy, save_rater
from wespe.rater import Rater, RaterConfig

LOOK = [data.astronaut(), data.coffee()]


def test_the_look_of_the_target_is_nearer_to_its_own_photos() -> None:
    score = load_judges(JudgeFiles(), LOOK).blind["niqe_target"]
    soft = np.asarray(Image.fromarray(data.chelsea()).resize((150, 100)).resize((451, 300)))
    assert score(LOOK[0]) < score(data.chelsea()) < score(soft)
    assert np.isnan(score(LOOK[0][:50, :50]))  # too small for it, and no score


def test_a_target_of_small_photos_has_no_look() -> None:
    assert load_judges(JudgeFiles(), [photo[:64, :64] for photo in LOOK]).blind == {}


def test_given_weights_give_scores(shared_data: Path) -> None:
    weights = shared_data / "weights"
    files = JudgeFiles(
        lpips=LpipsFiles(
            backbone=str(weights / "squeezenet1_1_fp16.safetensors"),
            linear=str(weights / "lpips_squeeze_lin.safetensors"),
        ),
        brisque=BrisqueFiles(
            model=str(weights / "brisque_live.libsvm"), ranges=str(weights / "brisque_live.range")
        ),
    )
    judges = load_judges(files, LOOK)
    clean = LOOK[0]
    noisy = np.clip(clean + np.random.default_rng(0).normal(0, 25, clean.shape), 0, 255).astype(np.uint8)
    assert judges.blind["brisque"](clean) < judges.blind["brisque"](noisy)
    assert judges.compared["lpips"](clean, clean) == pytest.approx(0, abs=1e-6)
    assert judges.compared["lpips"](noisy, clean) > 0.1


@pytest.mark.parametrize(
    ("judge", "files"),
    [
        ("lpips", JudgeFiles(lpips=LpipsFiles(backbone="none.safetensors", linear="none.safetensors"))),
        ("brisque", JudgeFiles(brisque=BrisqueFiles(model="none.libsvm", ranges="none.range"))),
        ("cornia", JudgeFiles(cornia="none.safetensors")),
        ("cornia", JudgeFiles(cornia=__file__)),
    ],
)
def test_weights_that_cannot_be_read_are_named(judge: str, files: JudgeFiles) -> None:
    with pytest.raises(
        PipelineError, match=rf"judges\.{judge}: .*(none\.|HeaderToo|[Hh]eader).*leave the judge out"
    ):
        load_judges(files, LOOK)


def test_a_rater_of_ones_own_rates_and_says_how_often_it_was_right(tmp_path: Path) -> None:
    rater = Rater(RaterConfig(crop_px=32, long_side_px=96, width=1, hidden=1))
    accuracy = Accuracy(value=0.61, low=0.56, high=0.66, photos=400, one_answer=0.51)
    save_rater(tmp_path / "rater", rater, accuracy, {})
    judges = load_judges(JudgeFiles(ffs=str(tmp_path / "rater")), LOOK)
    assert 0 < judges.blind["ffs"](LOOK[0]) < 1
    assert np.isnan(judges.blind["ffs"](LOOK[0][:20, :20]))
    assert judges.facts == {"ffs_accuracy": 0.61}
