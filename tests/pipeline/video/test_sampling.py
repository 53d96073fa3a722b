"""Frames to learn from: sharp ones, different ones, from all of a film; scenes are not split."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from skimage import data
from skimage.filters import gaussian

from pipeline.errors import SourceError
from pipeline.patches.settings import Split
from pipeline.sources.fetching import fetch_photos
from pipeline.sources.film import SCENE_S, Film
from pipeline.sources.settings import PhotoSet
from pipeline.video.sampling import sampled_frames
from tests.pipeline.films.conftest import Make, pan

PLACES = (data.astronaut(), data.coffee(), data.chelsea())


def blurred(photo_hwc: np.ndarray) -> np.ndarray:
    return (255 * gaussian(photo_hwc, sigma=(0, 4), channel_axis=2)).astype(np.uint8)


def still(photo: np.ndarray, frames: int) -> list[np.ndarray]:
    return [photo[:96, :128]] * frames


def test_the_sharpest_frame_of_each_second_is_taken(make: Make) -> None:
    """Protects: motion blur is not learned as the camera's look."""
    photos = pan(50, photo=data.chelsea())
    sharp = (7, 31)
    film = make(photos=[photo if n in sharp else blurred(photo) for n, photo in enumerate(photos)], rate=25)
    found = list(sampled_frames(film, every_s=1.0, most=10))
    assert [round(one.time_s * 25) for one in found] == list(sharp)
    for one, number in zip(found, sharp, strict=True):
        assert np.abs(one.photo_hwc.astype(int) - photos[number]).mean() < 6


def test_what_does_not_change_is_taken_once(make: Make) -> None:
    """Protects: an hour of an empty car park is not 3,600 copies of one photo."""
    film = make(photos=still(PLACES[0], 75) + still(PLACES[1], 50), rate=25)
    assert [int(one.time_s) for one in sampled_frames(film, every_s=1.0, most=10)] == [0, 3]


def test_a_long_film_is_sampled_from_all_of_its_length(make: Make) -> None:
    photos = [photo for place in PLACES * 2 for photo in still(place, 25)]
    times = [one.time_s for one in sampled_frames(make(photos=photos, rate=25), every_s=0.1, most=3)]
    assert len(times) == 3
    assert times[0] < 2 <= times[1] < 4 <= times[2]


def test_a_camera_learns_from_its_films_and_scenes_stay_together(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects: frames a second apart must not be in training and test."""
    monkeypatch.chdir(tmp_path)
    footage = tmp_path / "footage"
    footage.mkdir()
    photos = [photo for turn in range(6) for place in PLACES for photo in still(place[8 * turn :], 25)]
    make("footage/drive.mp4", photos=photos, rate=25)
    (footage / "cut.mp4").write_bytes((footage / "drive.mp4").read_bytes()[:500])
    source = Film(kind="film", paths=[str(footage)])
    split = Split(validation=0, test=0.3)
    summary = fetch_photos("cameras.dash", PhotoSet(source=source, split=split, max_rejected_share=0.5))
    kept = [photo for photo in summary.photos if not photo.reject_reason]
    assert len(kept) == 3 * 6  # one for each second
    [broken] = [photo for photo in summary.photos if photo.reject_reason]
    assert broken.name == "cut.mp4"
    assert "cannot be read as a film" in broken.reject_reason
    scenes = defaultdict(set)
    for photo in kept:
        assert photo.name.startswith("drive.mp4/")
        scenes[int(float(Path(photo.name).stem) / SCENE_S)].add(photo.split)
    assert all(len(splits) == 1 for splits in scenes.values())
    assert set().union(*scenes.values()) == {"train", "test"}


def test_the_frames_of_a_real_dash_camera_are_sharp_and_different(shared_data: Path) -> None:
    found = list(sampled_frames(shared_data / "films/dash.mp4", every_s=1.0, most=200))
    assert 5 <= len(found) <= 9
    assert {one.photo_hwc.shape for one in found} == {(540, 960, 3)}


def test_a_folder_without_films_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"contains no film \(.mp4, .*\); put films there"):
        list(Film(kind="film", paths=[str(tmp_path)]).fetch(tmp_path, "fetch"))
    with pytest.raises(SourceError, match=r"none.mp4 does not exist; correct source.paths"):
        list(Film(kind="film", paths=[str(tmp_path / "none.mp4")]).fetch(tmp_path, "fetch"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"paths": []}, "paths must name at least one"),
        ({"paths": ["a"], "every_s": 0}, "every_s must be above 0"),
        ({"paths": ["a"], "most_per_film": 0}, "most_per_film must be at least 1"),
    ],
)
def test_wrong_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Film(kind="film", **settings)
