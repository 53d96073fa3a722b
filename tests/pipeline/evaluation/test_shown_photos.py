"""The report gets every variant of the photos worth looking at, and an index that tells what they are."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from pipeline.evaluation.evaluation import evaluate_camera
from pipeline.evaluation.scores import VARIANTS, Score, by_photo, read_scores
from pipeline.evaluation.shown_photos import ShownPhotos, choose
from pipeline.patches.manifest import Photo


def photos(count: int) -> list[Photo]:
    return [Photo(id=f"{n:032x}", name=f"{n}.jpg", bytes=1, width=8, height=6) for n in range(count)]


def gains(gain: dict[int, float]) -> list[Score]:
    return [
        Score(photo_id=f"{n:032x}", name="", variant=variant, metric="psnr", value=value)
        for n, dB in gain.items()
        for variant, value in (("untouched", 20.0), ("enhanced", 20.0 + dB))
    ]


def test_a_few_photos_are_all_shown_and_of_many_the_worst_and_the_best():
    assert choose(photos(24), []) == photos(24)
    many = photos(60)
    chosen = choose(many, gains({n: (n * 37) % 60 - 30 for n in range(60)}))
    assert sorted((int(photo.id, 16) * 37) % 60 for photo in chosen) == [*range(10), *range(50, 60)]


def test_without_enough_truths_the_first_are_shown():
    assert choose(photos(60), []) == photos(24)
    assert choose(photos(60), gains({40: 1.0})) == photos(24)


def test_of_a_large_photo_the_middle_is_shown_and_the_index_keeps_its_own_size(tmp_path: Path):
    large = np.asarray(Image.fromarray(data.rocket()).resize((2000, 1500)))
    photo = Photo(id="ab" * 16, name="walk/a.jpg", bytes=1, width=2000, height=1500)
    scores = [
        Score(photo_id=photo.id, name=photo.name, variant="enhanced", metric="noise", value=2.5),
        Score(photo_id="", name="", variant="enhanced", metric="colour_distance", value=9.0),
    ]
    shown = ShownPhotos(tmp_path, scores)
    shown.add(photo, {"untouched": large, "enhanced": large, "truth": large})
    assert not (tmp_path / "index.json").exists()
    shown.finish()
    [entry] = json.loads((tmp_path / "index.json").read_text())
    assert (entry["id"], entry["name"], entry["folder"]) == (photo.id, "walk/a.jpg", "abababababab")
    assert (entry["width"], entry["height"]) == (2000, 1500)
    assert entry["variants"] == ["untouched", "enhanced", "truth"]
    assert entry["scores"]["enhanced"] == {"noise": 2.5}
    with Image.open(tmp_path / entry["folder"] / "truth.jpg") as written:
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
