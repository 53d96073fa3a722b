"""Scores are those of the definitions, on the test photos alone, beside the yardsticks."""

import json

import numpy as np
import pytest
from PIL import Image
from skimage import data

from pipeline.errors import PhotoError, PipelineError
from pipeline.evaluation.evaluation import evaluate_camera
from pipeline.evaluation.photo_scores import LearnedScores, score_photo
from pipeline.evaluation.scores import by_photo, read_left_out, read_scores
from pipeline.evaluation.variants import VARIANTS
from pipeline.layout import photo_set
from pipeline.models.model_folder import load_model, load_start
from pipeline.patches.manifest import read_manifest, write_manifest
from pipeline.photos.images import read_photo, write_photo
from pipeline.report.camera_page import write_camera_page
from pipeline.report.text_summary import score_lines
from wespe.auto_enhance import auto_enhance
from wespe.metrics.full_reference import ms_ssim, psnr
from wespe.metrics.table import METRICS, Metric


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
    self_checks = {name for name, metric in METRICS.items() if metric.against == "source"}
    assert by_photo(scores, "enhanced", "psnr") == pytest.approx(expected)
    assert summary["enhanced"]["psnr_pooled"]["mean"] < summary["enhanced"]["psnr"]["mean"]
    assert all(set(summary[variant]) == set(summary["enhanced"]) for variant in VARIANTS[1:])
    assert set(summary["untouched"]) == set(summary["change"]) == set(summary["enhanced"]) - self_checks
    assert {"psnr", "ssim", "ms_ssim_dped", "noise", "colour_distance"} <= set(summary["untouched"])
    assert json.loads(paths.intervals.read_text()) == summary


def test_dvc_reads_one_flat_row_of_means_per_variant(camera):
    paths = camera()
    summary = evaluate_camera("phone", "dslr")
    rows = {path.stem: json.loads(path.read_text()) for path in paths.metrics.iterdir()}
    assert set(rows) == set(VARIANTS)
    assert rows["untouched"]["psnr"] == pytest.approx(summary["untouched"]["psnr"]["mean"], abs=1e-4)


def test_the_change_is_paired_photo_by_photo_and_three_photos_have_no_interval(camera):
    paths = camera()
    change = evaluate_camera("phone", "dslr")["change"]["psnr"]
    scores = read_scores(paths.scores)
    before, after = (by_photo(scores, variant, "psnr") for variant in ("untouched", "enhanced"))
    differences = [after[photo_id] - before[photo_id] for photo_id in after]
    assert change["mean"] == pytest.approx(np.mean(differences))
    assert (change["low"], change["high"], change["n"]) == (None, None, 3)


def test_without_truths_only_scores_that_need_none_are_computed(camera):
    camera(truth=False)
    scores = set(evaluate_camera("phone", "dslr")["untouched"])
    alone = {"entropy", "png_bpp", "noise", "sharpness", "clipping", "blockiness", "colourfulness"}
    assert scores == alone | {"colour_distance", "texture_distance"}


def test_every_variant_except_untouched_is_compared_with_its_source(camera):
    paths = camera()
    summary = evaluate_camera("phone", "dslr")
    source = read_photo(photo_set("cameras.phone").photos / "1.png")
    fidelities = by_photo(read_scores(paths.scores), "auto_enhance", "fidelity")
    assert fidelities[f"{1:032x}"] == pytest.approx(psnr(auto_enhance(source), source))
    assert (
        summary["histogram_match"]["tile_difference"]["mean"]
        == 0
        < summary["auto_enhance"]["fidelity"]["mean"]
    )
    assert summary["enhanced"]["megapixels_per_s"]["mean"] > 0


def test_the_model_before_training_is_a_yardstick(camera):
    paths = camera()
    summary = evaluate_camera("phone", "dslr")
    untrained = load_start(paths.model, load_model(paths.model))
    source = read_photo(photo_set("cameras.phone").photos / "1.png")
    fidelities = by_photo(read_scores(paths.scores), "start", "fidelity")
    assert fidelities[f"{1:032x}"] == pytest.approx(psnr(untrained.enhance(source), source))
    assert summary["start"]["psnr"]["mean"] != summary["enhanced"]["psnr"]["mean"]


def test_learned_scores_work_on_photos_and_pairs_and_may_be_nan():
    learned = LearnedScores(
        functions={
            "brisque": len,
            "niqe_target": lambda photo: float("nan"),
            "lpips": lambda photo, truth: float(truth.mean() - photo.mean()),
        }
    )
    truth = data.astronaut()
    scores = score_photo(truth // 2, truth, learned)
    assert scores["brisque"] == 512
    assert scores["lpips"] > 0
    assert "niqe_target" not in scores
    assert "lpips" not in score_photo(truth, None, learned)


def test_niqe_is_left_out_of_a_small_target_in_one_line_that_the_report_can_read(camera, capsys):
    paths = camera()
    assert "niqe_target" not in evaluate_camera("phone", "dslr")["enhanced"]
    assert capsys.readouterr().out.count("NIQE, fitted to the target is left out: ") == 1
    assert "100 sharp patches" in read_left_out(paths.scores)["niqe_target"]


NEW_ROWS = {
    "redness": Metric(
        label="Redness", sentence="Mean of red.", against="nothing", score=lambda photo: photo[..., 0].mean()
    ),
    "error": Metric(
        label="Error",
        sentence="Mean difference.",
        against="truth",
        score=lambda photo, truth: np.abs(photo.astype(float) - truth).mean(),
        better="lower",
    ),
    "feature_gap": Metric(
        label="Feature gap",
        sentence="Between mean features of two sets.",
        against="target",
        features=lambda photo, seed: photo.reshape(-1, 3)[:100],
        score=lambda ours, target: float(np.abs(ours.mean(0) - target.mean(0)).max()),
        better="lower",
    ),
}


def test_a_new_score_is_one_row(camera, monkeypatch):
    """Protects: METRICS is the one list. Scores, DVC's metrics, report and summary take a row from it."""
    paths = camera()
    for name, metric in NEW_ROWS.items():
        monkeypatch.setitem(METRICS, name, metric)
    evaluate_camera("phone", "dslr")
    assert len(by_photo(read_scores(paths.scores), "enhanced", "error")) == 3
    assert by_photo(read_scores(paths.scores), "enhanced", "feature_gap").keys() == {""}
    means = json.loads((paths.metrics / "enhanced.json").read_text())
    assert NEW_ROWS.keys() <= means.keys()
    write_camera_page("phone")
    page = paths.page.read_text()
    summary = "\n".join(score_lines(json.loads(paths.intervals.read_text())))
    for metric in NEW_ROWS.values():
        assert metric.sentence in page
        assert metric.label in summary


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
    assert names == [*(f"{number:032x}.png" for number in range(3)), "before_after.png"]
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


def test_ms_ssim_is_the_standard_one_where_the_photo_is_large_enough_and_small_photos_have_it_too():
    photo = data.astronaut()
    dark = (photo * 0.8).astype(np.uint8)
    assert score_photo(dark, photo)["ms_ssim_dped"] == ms_ssim(dark, photo)
    assert score_photo(dark[:100, :100], photo[:100, :100])["ms_ssim_dped"] > 0.5
