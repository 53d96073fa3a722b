"""Photos for benchmarks: crops of the photos in scikit-image and scikit-learn."""

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pipeline.layout import photo_set
from pipeline.patches.manifest import Photo, write_manifest
from pipeline.photos.images import read_photo, write_photo
from pipeline.sources.demo import Demo


def write_photos(folder: Path, count: int, width: int, height: int) -> list[Path]:
    """Write `count` different JPEGs of one size into a new folder."""
    scenes = list(itertools.islice(itertools.cycle(_scenes()), count))
    paths = [folder / f"{number:04d}.jpg" for number in range(count)]

    def write(number: int) -> None:
        write_photo(paths[number], _piece(scenes[number], width, height, random.Random(number)))

    folder.mkdir(parents=True)
    with ThreadPoolExecutor() as pool:
        list(pool.map(write, range(count)))
    return paths


def write_camera(address: str, paths: list[Path], width: int, height: int) -> None:
    """Write the manifest that `fetch` would write, with every photo in the train split."""
    folder = photo_set(address).photos
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(folder, [_row(number, path, width, height) for number, path in enumerate(paths)])


def _row(number: int, path: Path, width: int, height: int) -> Photo:
    return Photo(
        id=f"{number:032x}",
        name=path.name,
        path=str(path.resolve()),
        bytes=path.stat().st_size,
        width=width,
        height=height,
        split="train",
    )


def _scenes() -> list[np.ndarray]:
    halves = (Demo(kind="demo", half="camera"), Demo(kind="demo", half="target"))
    return [read_photo(found.path) for half in halves for found in half.fetch(Path(), "bench")]


def _piece(scene_hwc: np.ndarray, width: int, height: int, rng: random.Random) -> np.ndarray:
    """Return a random window of the scene, which is mirrored at its edges to reach any size."""
    rows = _mirrored(scene_hwc.shape[0], height, rng)
    columns = _mirrored(scene_hwc.shape[1], width, rng)
    return scene_hwc[rows[:, None], columns]


def _mirrored(length: int, wanted: int, rng: random.Random) -> np.ndarray:
    places = (np.arange(wanted) + rng.randrange(2 * length)) % (2 * length)
    return np.minimum(places, 2 * length - 1 - places)
