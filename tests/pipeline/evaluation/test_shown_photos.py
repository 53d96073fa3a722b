"""The report gets every variant of the photos worth looking at, and an index that tells what they are."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from pipeline.evaluation.evaluation import evaluate_camera
from pipeline.evaluation.scores import by_photo, read_scores
from pipeline.evaluation.shown_photos import ShownPhoto, ShownPhotos, choose
from pipeline.evaluation.variants import VARIANTS
from pipeline.patches.manifest import Photo


def entries(gains: list[float | None]) -> list[ShownPhoto]:
    return [
        ShownPhoto(
            id=f"{n:032x}",
            name=f"{n}.jpg",
            width=8,
            height=6,
            folder=str(n),
            variants=[],
            scores={} if gain is None else {"untouched": {"psnr": 20.0}, "enhanced": {"psnr": 20.0 + gain}},
        )
        for n, gain in enumerate(gains)
    ]


def test_without_enough_truths_the_first_are_shown():
    assert choose(entries([None] * 60)) == entries([None] * 60)[:24]
    some = entries([1.0] * 5 + [None] * 55)
    assert choose(some) == some[:24]


def test_only_the_worst_and_best_of_many_photos_are_kept(tmp_path: Path):
    """Protects: photos are written as they are scored, and none is enhanced a second time."""
    shown = ShownPhotos(tmp_path / "photos")
    pixels = np.zeros((8, 8, 3), np.uint8)
    for n in range(60):
        photo = Photo(id=f"{n:012x}", name=f"{n}.jpg", bytes=1, width=8, height=8)
        gain = (n * 37) % 60 - 30
        shown.add(
            photo, {"enhanced": pixels}, {"untouched": {"psnr": 30.0}, "enhanced": {"psnr": 30.0 + gain}}
        )
    shown.finish()
    index = json.loads((tmp_path / "photos/index.json").read_text())
    kept = sorted((int(entry["id"], 16) * 37) % 60 for entry in index)
    assert kept == [*range(10), *range(50, 60)]
    assert {path.name for path in (tmp_path / "photos").iterdir()} == {e["id"] for e in index} | {
        "index.json"
    }


def test_a_few_photos_are_all_shown(tmp_path: Path):
    shown = ShownPhotos(tmp_path / "photos")
    for n in range(24):
        photo = Photo(id=f"{n:012x}", name=f"{n}.jpg", bytes=1, width=8, height=8)
        shown.add(photo, {}, {"untouched": {"psnr": 30.0}, "enhanced": {"psnr": 31.0}})
    shown.finish()
    assert len(json.loads((tmp_path / "photos/index.json").read_text())) == 24


def test_of_a_large_photo_the_middle_is_shown_and_the_index_keeps_its_own_size(tmp_path: Path):
    large = np.asarray(Image.fromarray(data.rocket()).resize((2000, 1500)))
    photo = Photo(id="ab" * 16, name="walk/a.jpg", bytes=1, width=2000, height=1500)
    shown = ShownPhotos(tmp_path / "photos")
    shown.add(photo, {"untouched": large, "enhanced": large, "truth": large}, {"enhanced": {"noise": 2.5}})
    assert not (tmp_path / "photos/index.json").exists()
    shown.finish()
    [entry] = json.loads((tmp_path / "photos/index.json").read_text())
    assert (entry["id"], entry["name"], entry["folder"]) == (photo.id, "walk/a.jpg", "abababababab")
    assert (entry["width"], entry["height"]) == (2000, 1500)
    assert entry["variants"] == ["untouched", "enhanced", "truth"]
    assert entry["scores"]["enhanced"] == {"noise": 2.5}
    with Image.open(tmp_path / "photos" / entry["folder"] / "truth.jpg") as written:
        assert (written.format, written.size) == ("JPEG", (1200, 1200))
        assert np.abs(np.asarray(written).astype(float) - large[150:1350, 400:1600]).mean() < 4


@pytest.mark.parametrize("truth", [True, False])
def test_evaluation_shows_every_variant_with_its_scores(camera, truth):
    paths = camera(truth=truth)
    evaluate_camera("phone", "dslr")
    entries = json.loads((paths.shown / "index.json").read_text())
    assert [entry["id"] for entry in entries] == [f"{n:032x}" for n in range(3)]
    scores = read_scores(paths.scores)
    for entry in entries:
        assert entry["variants"] == [*VARIANTS, *(["truth"] if truth else [])]
        files = {path.stem for path in (paths.shown / entry["folder"]).iterdir()}
        assert files == set(entry["variants"])
        assert ("psnr" in entry["scores"]["enhanced"]) == truth
        assert entry["scores"]["enhanced"]["noise"] == by_photo(scores, "enhanced", "noise")[entry["id"]]
