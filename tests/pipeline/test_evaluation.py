"""Scores are those of the definitions, on the test photos alone, beside the yardsticks."""

import json

import numpy as np
import pytest
from PIL import Image

from pipeline.checkpoints import load_model
from pipeline.data.images import read_photo, write_photo
from pipeline.data.manifest import read_manifest, write_manifest
from pipeline.errors import PhotoError, PipelineError
from pipeline.evaluation import evaluate_camera, score_photo
from pipeline.layout import photo_set
from pipeline.scores import VARIANTS, by_photo, read_scores
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
    assert all(set(summary[variant]) == set(summary["enhanced"]) for variant in VARIANTS)
    assert {"psnr", "ssim", "ms_ssim", "noise", "colour_distance"} <= set(summary["enhanced"])
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
    scores = set(evaluate_camera("phone", "dslr")["enhanced"])
    assert scores == {"entropy", "png_bpp", "noise", "colourfulness", "colour_distance"}


def test_the_same_photos_and_model_give_the_same_bytes(camera):
    paths = camera()
    files = [paths.scores, paths.intervals, paths.pictures / "before_after.png"]
    evaluate_camera("phone", "dslr")
    first = [file.read_bytes() for file in files]
    evaluate_camera("phone", "dslr")
    assert [file.read_bytes() for file in files] == first


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
