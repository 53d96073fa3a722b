"""Which photos are shown, and that a picture is shown as it is: never shrunk where 1:1 is promised."""

import json
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from pipeline.errors import PipelineError
from pipeline.report.pictures import Picture, embed, read_pictures, strips, thumbnail


def picture(gain: float | None, name: str = "a.jpg") -> Picture:
    psnrs = {} if gain is None else {"untouched": {"psnr": 20.0}, "enhanced": {"psnr": 20.0 + gain}}
    return Picture(id="a", name=name, width=9, height=9, files={}, scores=psnrs)


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(b64decode(uri.partition(",")[2]))))


def test_the_worst_and_the_best_ten_are_shown_and_no_photo_twice():
    worst, best = strips([picture(gain) for gain in range(15)])
    assert [p.gain for p in worst.pictures] == pytest.approx(list(range(7)))
    assert [p.gain for p in best.pictures] == pytest.approx(list(range(14, 6, -1)))
    worst, best = strips([picture(gain) for gain in np.arange(40) - 20.0])
    assert [p.gain for p in worst.pictures] == pytest.approx(list(range(-20, -10)))
    assert [p.gain for p in best.pictures] == pytest.approx(list(range(19, 9, -1)))


def test_photos_whose_gain_is_infinite_are_not_ranked():
    [only] = strips([picture(np.inf), picture(1.0)])
    assert [p.gain for p in only.pictures] == pytest.approx([1.0])


def test_without_truth_the_first_twenty_are_shown():
    [first] = strips([picture(None, str(number)) for number in range(30)])
    assert [p.name for p in first.pictures] == [str(number) for number in range(20)]
    assert strips([]) == []


def test_a_picture_is_embedded_unchanged_and_labelled_whole_or_centre(tmp_path: Path):
    Image.fromarray(data.coffee()).save(tmp_path / "cup.jpg")
    shot = embed(tmp_path / "cup.jpg", (600, 400))
    assert (shot.width, shot.height, shot.shown) == (600, 400, "at 1:1")
    assert b64decode(shot.uri.partition(",")[2]) == (tmp_path / "cup.jpg").read_bytes()
    assert embed(tmp_path / "cup.jpg", (600, 900)).shown == "its centre at 1:1"


def test_a_thumbnail_is_small_and_keeps_its_shape(tmp_path: Path):
    Image.fromarray(data.coffee()).save(tmp_path / "cup.jpg")
    small = decoded(thumbnail(tmp_path / "cup.jpg", 100))
    assert small.shape == (100, 150, 3)


@pytest.mark.parametrize("content", ["{", '[{"id": 1}]', '["a"]'])
def test_a_damaged_index_is_one_line_with_the_file_and_a_remedy(tmp_path: Path, content: str):
    (tmp_path / "index.json").write_text(content)
    with pytest.raises(PipelineError, match=r"index\.json is damaged.*dvc repro"):
        read_pictures(tmp_path)


def test_a_picture_that_is_no_jpeg_is_named(tmp_path: Path):
    entry = {"id": "1", "name": "a", "width": 1, "height": 1, "folder": "1", "scores": {}}
    entry |= {"variants": ["untouched", "enhanced"]}
    (tmp_path / "index.json").write_text(json.dumps([entry]))
    [found] = read_pictures(tmp_path)
    with pytest.raises(PipelineError, match=r"enhanced\.jpg cannot be read"):
        embed(found.files["enhanced"], (1, 1))
