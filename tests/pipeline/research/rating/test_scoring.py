"""Folders scored: the same crops for all, intervals, and the rater's accuracy beside each figure."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import PhotoError
from pipeline.models.rater_folder import Accuracy, LoadedRater
from pipeline.photos.images import write_photo
from pipeline.research.rating.scoring import score_folders
from wespe.rater import Rater, RaterConfig


class Recorder(Rater):
    """Rates by the mean brightness, and keeps what it was shown."""

    def __init__(self):
        super().__init__(RaterConfig(crop_px=32, long_side_px=96, width=1, hidden=1))
        self.shown: list[torch.Tensor] = []

    def rate(self, crops_nhwc: torch.Tensor) -> float:
        self.shown.append(crops_nhwc)
        return float(crops_nhwc.float().mean()) / 255


@pytest.fixture
def trained() -> LoadedRater:
    accuracy = Accuracy(value=0.6125, low=0.5631, high=0.6597, photos=400, one_answer=0.51)
    return LoadedRater(Recorder(), {"weights_sha256": hashlib.sha256().hexdigest()}, accuracy)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Six photos in a sub-folder, and brighter ones in another format."""
    original, enhanced = tmp_path / "original", tmp_path / "enhanced"
    for folder in (original, enhanced):
        (folder / "walk").mkdir(parents=True)
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 200, (60, 80, 3), np.uint8)
        write_photo(original / f"walk/{number}.png", pixels)
        write_photo(enhanced / f"walk/{number}.tif", pixels + 51)
    return original, enhanced


def test_original_and_enhanced_are_seen_through_the_same_crops(trained, folders):
    """Protects: the comparison. The enhanced photos are 51 levels brighter, so each crop must be."""
    score_folders(trained, folders)
    shown = trained.rater.shown
    assert len(shown) == 12
    for original, enhanced in zip(shown[::2], shown[1::2], strict=True):
        assert original.shape == (5, 32, 32, 3)
        assert torch.equal(enhanced - original, torch.full_like(original, 51))
    assert not torch.equal(shown[0], shown[2])


def test_scores_depend_on_the_name_and_not_on_the_other_photos(trained, folders):
    whole = score_folders(trained, folders)
    (folders[0] / "walk/0.png").unlink()
    rest = score_folders(trained, folders)
    assert rest.folders[str(folders[0])] == whole.folders[str(folders[0])][1:]


def test_every_score_stands_beside_the_raters_accuracy(trained, folders, tmp_path):
    scores = score_folders(trained, folders)
    lines = str(scores).splitlines()
    assert all("61.3 % [56.3, 66.0]" in line for line in lines[1:4])
    assert "+0.200 [+0.200, +0.200]" in lines[2]
    assert "+" not in lines[1]
    scores.write(tmp_path / "reports/faves.json")
    written = json.loads((tmp_path / "reports/faves.json").read_text())
    assert written["accuracy"]["value"] == 0.6125
    assert written["change"][str(folders[1])]["mean"] == pytest.approx(0.2)
    assert written["photos"] == [f"walk/{number}" for number in range(6)]


def test_one_folder_alone_is_scored_too(trained, folders):
    assert "6 photos" in str(score_folders(trained, folders[:1]))


def test_a_pair_that_cannot_be_compared_is_left_out_with_its_reason(trained, folders):
    (folders[1] / "walk/1.tif").write_bytes(b"broken")
    write_photo(folders[1] / "walk/2.tif", np.zeros((40, 40, 3), np.uint8))
    for folder, suffix in zip(folders, (".png", ".tif"), strict=True):
        write_photo(folder / f"walk/3{suffix}", np.zeros((20, 80, 3), np.uint8))
    scores = score_folders(trained, folders)
    assert scores.photos == ["walk/0", "walk/4", "walk/5"]
    shown = str(scores)
    assert "1.tif: not a JPEG" in shown
    assert "2.tif and " in shown
    assert "differ in size" in shown
    assert "3.png: 80×20 px is smaller than a crop of 32 px" in shown


def test_folders_that_do_not_fit_are_refused_in_one_line(trained, folders, tmp_path):
    original, enhanced = folders
    with pytest.raises(PhotoError, match="none: no such folder"):
        score_folders(trained, [tmp_path / "none"])
    (enhanced / "walk/5.tif").unlink()
    with pytest.raises(PhotoError, match=r"enhanced has no photo walk/5, which .*; enhance it too"):
        score_folders(trained, folders)
    write_photo(original / "walk/0.jpg", np.zeros((40, 40, 3), np.uint8))
    with pytest.raises(PhotoError, match=r"0\.png and .*0\.jpg have the same name; rename"):
        score_folders(trained, folders)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PhotoError, match="empty: no photo in it or below it"):
        score_folders(trained, [tmp_path / "empty"])
