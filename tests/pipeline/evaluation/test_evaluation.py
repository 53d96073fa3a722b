"""Scores are those of the definitions, on the test photos alone, beside the yardsticks."""

import json

import numpy as np
import pytest
from PIL import Image
from skimage import data

from pipeline.errors import PhotoError, PipelineError
from pipeline.evaluation.evaluation import evaluate_camera
from pipeline.evaluation.photo_scores import Judges, score_photo
from pipeline.evaluation.scores import SELF_CHECKS, VARIANTS, by_photo, read_scores
from pipeline.layout import photo_set
from pipeline.models.model_folder import load_model
from pipeline.patches.manifest import read_manifest, write_manifest
from pipeline.photos.images import read_photo, write_photo
from wespe.auto_enhance import auto_enhance
from wespe.metrics.full_reference import psnr


def test_a_camera_with_truth_gets_every_score_for_every_variant(camera):
    paths = camera()
    summary = evaluate_camera("phone", "dslr")
    scores = read_scores(paths.scores)
    folder = photo_set("cameras.phone").photos
    model = load_model(paths.model)
    expected = {
        f"{n:032x}": psnr(
            model.enhance(read_photo(folder / f"{n}.png")), read_photo(folder / f"{n}-truth.png")
        )
        for n in range(3)
    }
    assert by_photo(scores, "enhanced", "psnr") == pytest.approx(expected)
    assert summary["enhanced"]["psnr_pooled"]["mean"] < summary["enhanced"]["psnr"]["mean"]
    assert all(set(summary[variant]) == set(summary["enhanced"]) for variant in VARIANTS[1:])
    assert set(summary["untouched"]) == set(summary["gain"]) == set(summary["enhanced"]) - set(SELF_CHECKS)
    assert {"psnr", "ssim", "ms_ssim", "noise", "colour_distance"} <= set(summary["untouched"])
    assert json.loads(paths.intervals.read_text()) == summary


def test_dvc_reads_one_flat_row_of_means_per_variant(camera):
    paths = camera()
    summary = evaluate_camera("phone", "dslr")
    rows = {path.stem: json.loads(path.read_text()) for path in paths.metrics.iterdir()}
    assert set(rows) == set(VARIANTS)
    assert rows["untouched"]["psnr"] == pytest.approx(summary["untouched"]["psnr"]["mean"], abs=1e-4)


def test_the_gain_is_paired_photo_by_photo_and_lies_within_its_interval(camera):
    paths = camera()
    gain = evaluate_camera("phone", "dslr")["gain"]["psnr"]
    scores = read_scores(paths.scores)
    before, after = (by_photo(scores, variant, "psnr") for variant in ("untouched", "enhanced"))
    differences = [after[photo_id] - before[photo_id] for photo_id in after]
    assert gain["mean"] == pytest.approx(np.mean(differences))
    assert min(differences) - 1e-9 <= gain["low"] < gain["mean"] < gain["high"] <= max(differences) + 1e-9


def test_without_truth_the_scores_are_those_that_need_none(camera):
    camera(truth=False)
    scores = set(evaluate_camera("phone", "dslr")["untouched"])
    alone = {"entropy", "png_bpp", "noise", "sharpness", "clipping", "blockiness", "colourfulness"}
    assert scores == alone | {"colour_distance", "texture_distance"}


def test_every_variant_but_the_untouched_photo_is_held_against_its_source(camera):
    paths = camera()
    summary = evaluate_camera("phone", "dslr")
    source = read_photo(photo_set("cameras.phone").photos / "1.png")
    fidelities = by_photo(read_scores(paths.scores), "auto_enhance", "fidelity")
    assert fidelities[f"{1:032x}"] == pytest.approx(psnr(auto_enhance(source), source))
    assert (
        summary["histogram_match"]["tile_difference"]["mean"]
        == 0
        < summary["auto_enhance"]["fidelity"]["low"]
    )
    assert summary["enhanced"]["megapixels_per_s"]["mean"] > 0


def test_further_judges_score_photos_and_pairs_and_may_have_nothing_to_say():
    judges = Judges(
        blind={"height": len, "silent": lambda photo: float("nan")},
        compared={"brighter": lambda photo, truth: float(photo.mean() - truth.mean())},
    )
    truth = data.astronaut()
    scores = score_photo(truth // 2, truth, judges)
    assert scores["height"] == 512
    assert scores["brighter"] < 0
    assert "silent" not in scores
    assert "brighter" not in score_photo(truth, None, judges)


def test_the_same_photos_and_model_give_the_same_scores_and_pictures(camera):
    paths = camera()
    pictures = [
        paths.pictures / "before_after.png",
        paths.shown / "000000000000" / "enhanced.jpg",
    ]

    def result():
        evaluate_camera("phone", "dslr")
        scores = [score for score in read_scores(paths.scores) if score.metric != "megapixels_per_s"]
        return scores, [file.read_bytes() for file in pictures]

    assert result() == result()


def test_pictures_are_one_sheet_and_one_pair_per_photo(camera):
    paths = camera()
    evaluate_camera("phone", "dslr")
    names = sorted(path.name for path in paths.pictures.iterdir())
    assert names == ["0-00000000.png", "1-00000000.png", "2-00000000.png", "before_after.png"]
    assert Image.open(paths.pictures / "before_after.png").width < 1500


def test_no_test_photos_is_an_error_that_names_the_camera(camera):
    camera()
    folder = photo_set("cameras.phone").photos
    write_manifest(folder, [photo for photo in read_manifest(folder) if photo.split == "train"])
    with pytest.raises(PipelineError, match=r"camera phone: no photo .* test split"):
        evaluate_camera("phone", "dslr")


def test_a_truth_of_another_size_is_an_error_that_names_both_files(camera):
    paths = camera()
    folder = photo_set("cameras.phone").photos
    write_photo(folder / "1-truth.png", np.zeros((50, 50, 3), np.uint8))
    with pytest.raises(PhotoError, match=r"1-truth.png is 50x50 px.*walk/1.png"):
        evaluate_camera("phone", "dslr")
    assert not paths.scores.exists()


def test_a_degenerate_pair_has_no_full_reference_score_in_any_variant(camera):
    paths = camera()
    folder = photo_set("cameras.phone").photos
    white = np.full_like(read_photo(folder / "1.png"), 255)
    write_photo(folder / "1.png", white)
    write_photo(folder / "1-truth.png", white)
    evaluate_camera("phone", "dslr")
    scores = read_scores(paths.scores)
    judged = {f"{n:032x}" for n in (0, 2)}
    assert all(set(by_photo(scores, variant, "psnr")) == judged for variant in VARIANTS)
    assert len(by_photo(scores, "enhanced", "noise")) == 3


def test_a_small_photo_has_the_ms_ssim_that_fits_it():
    white, grey = np.full((100, 100, 3), 255, np.uint8), np.full((100, 100, 3), 99, np.uint8)
    assert "ms_ssim_dped" in score_photo(white, grey)
    assert "ms_ssim" not in score_photo(white, grey)
