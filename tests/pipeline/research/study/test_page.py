"""What is written for the participants holds all the photos and no name; the key stays behind."""

import base64
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import PipelineError
from pipeline.research.study.key import Study, read_key
from pipeline.research.study.page import SIDE_PX, make_study

LABELS = ("before", "after")


def shown(page: Path) -> list[dict]:
    [data] = re.findall(r'<script id="study" type="application/json">(.*?)</script>', page.read_text())
    return json.loads(data)["pairs"]


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_the_key_maps_photos_to_folders(study: Study, studies: Path) -> None:
    assert read_key(studies, "walk") == study
    sources = {photo["id"]: photo["src"] for pair in shown(studies / "walk.html") for photo in pair["photos"]}
    for pair in study.pairs:
        before, after = (pixels(sources[photo]) for photo in pair.photos)
        assert before.mean() < 0.7 * after.mean()


def test_photos_of_a_pair_are_of_one_size_and_no_larger_than_a_page_needs(studies: Path) -> None:
    for pair in shown(studies / "walk.html"):
        shapes = {pixels(photo["src"]).shape for photo in pair["photos"]}
        assert shapes == {(pair["height"], pair["width"], 3)}
        assert max(pair["width"], pair["height"]) <= SIDE_PX


def test_the_page_names_no_label_folder_or_photo_and_no_other_place(study: Study, studies: Path) -> None:
    page = re.sub(r"base64,[^\"]*", "", (studies / "walk.html").read_text())
    data = json.dumps(shown(studies / "walk.html"))
    for name in (*study.labels, "weak", "strong", "walk", *(pair.name for pair in study.pairs)):
        assert f'"{name}"' not in data + page
    assert not re.findall(r"(?:https?:)?//[a-z]", page)
    assert "default-src 'none'" in page


def test_the_order_of_pairs_and_photos_reveals_nothing(study: Study, studies: Path) -> None:
    for pair in (pairs := shown(studies / "walk.html")):
        assert [photo["id"] for photo in pair["photos"]] == sorted(photo["id"] for photo in pair["photos"])
    assert [pair["id"] for pair in pairs] == sorted(pair["id"] for pair in pairs)


def test_the_same_photos_make_the_same_page(folders, study: Study, studies: Path, tmp_path: Path) -> None:
    again = make_study("walk", folders, LABELS, 30, tmp_path)
    assert again == study
    assert (tmp_path / "walk.html").read_bytes() == (studies / "walk.html").read_bytes()


def test_other_photos_under_the_same_name_do_not_replace_the_key(folders, study, studies, tmp_path) -> None:
    for folder in folders:
        shutil.copytree(folder, tmp_path / folder.name)
    Image.new("RGB", (50, 50)).save(tmp_path / "weak/walk/new.png")
    Image.new("RGB", (50, 50)).save(tmp_path / "strong/walk/new.jpg")
    with pytest.raises(PipelineError, match=r"walk\.key\.json: study walk was made from other photos"):
        make_study("walk", (tmp_path / "weak", tmp_path / "strong"), LABELS, 30, studies)
    assert read_key(studies, "walk") == study


def test_of_too_many_pairs_some_are_drawn_always_the_same(folders, tmp_path: Path) -> None:
    names = [
        {pair.name for pair in make_study(name, folders, LABELS, 2, tmp_path).pairs}
        for name in ("one", "one", "two", "three", "four")
    ]
    assert {len(drawn) for drawn in names} == {2}
    assert names[0] == names[1]
    assert len({frozenset(drawn) for drawn in names}) > 1


def test_photos_that_differ_in_size_but_not_in_shape_are_shown_alike(tmp_path: Path) -> None:
    for folder, size in (("a", (300, 200)), ("b", (149, 100))):
        (tmp_path / folder).mkdir()
        Image.new("RGB", size).save(tmp_path / folder / "x.png")
    make_study("s", (tmp_path / "a", tmp_path / "b"), LABELS, 30, tmp_path)
    [pair] = shown(tmp_path / "s.html")
    assert (pair["width"], pair["height"]) == (149, 100)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a/x.png": (30, 20), "b/y.png": (30, 20)}, "have no name in common"),
        ({"a/x.png": (30, 20)}, "b: no such folder"),
        ({"a/x.png": (30, 20), "b/x.png": (20, 30)}, r"30 × 20 px, .*20 × 30"),
        ({"a/x.png": (30, 20), "a/x.jpg": (30, 20), "b/x.png": (30, 20)}, "have the same name"),
    ],
)
def test_folders_that_make_no_pairs_are_reported(tmp_path: Path, files, message) -> None:
    for name, size in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", size).save(tmp_path / name)
    with pytest.raises(PipelineError, match=message):
        make_study("s", (tmp_path / "a", tmp_path / "b"), LABELS, 30, tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "labels", "message"),
    [
        ("../x", LABELS, "a name must consist of a–z"),
        ("x", ("same", "same"), "must differ"),
        ("x", ("a", "no preference"), "must differ"),
        ("x", ("a", "b/c"), "a label must consist of letters"),
    ],
)
def test_names_that_files_or_metrics_cannot_take_are_reported(
    folders, tmp_path, name, labels, message
) -> None:
    with pytest.raises(PipelineError, match=message):
        make_study(name, folders, labels, 1, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_damaged_or_missing_key_is_reported(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="create it first"):
        read_key(tmp_path, "walk")
    (tmp_path / "walk.key.json").write_text('{"id": 1}')
    with pytest.raises(PipelineError, match="is damaged"):
        read_key(tmp_path, "walk")
