"""The demo's photos: the colour photos that ship with scikit-image and scikit-learn."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Literal

from pipeline.errors import SourceError
from pipeline.sources.source import PhotoFile

# No photo is in both halves. Among all possible halves, these have the most similar histograms of colour and
# brightness, so that they differ by the simulated camera and not by their subjects.
HALVES = {
    "camera": (
        "skimage/data/astronaut.png",
        "skimage/data/coffee.png",
        "skimage/data/ihc.png",
        "skimage/data/rocket.jpg",
        "sklearn/datasets/images/flower.jpg",
    ),
    "target": (
        "skimage/data/chelsea.png",
        "skimage/data/hubble_deep_field.jpg",
        "skimage/data/motorcycle_left.png",
        "skimage/data/retina.jpg",
        "sklearn/datasets/images/china.jpg",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Demo:
    """One half of the demo's ten photos: `camera` for the simulated camera, `target` unchanged.

    The camera's photos are cut into quarters, since an interval needs five test photos, and training needs
    others. Quarters of one photo are more similar than different photos, so the demo's intervals are too
    narrow.
    """

    kind: Literal["demo"]
    half: Literal["camera", "target"]

    def fetch(self, workspace: Path, label: str) -> Iterator[PhotoFile]:
        """Yield the target's photos from the installed packages, and the camera's as files in `workspace`.

        Raises: SourceError if a package lacks a photo.
        """
        for place in HALVES[self.half]:
            photo = PhotoFile(name=place, path=_installed(place))
            yield from _cut(photo, workspace) if self.half == "camera" else [photo]


def _cut(photo: PhotoFile, workspace: Path) -> Iterator[PhotoFile]:
    """Cut a photo into quarters."""
    from PIL import Image  # imported here, since params.py imports this module and must stay light

    workspace.mkdir(parents=True, exist_ok=True)
    name = PurePosixPath(photo.name)
    with Image.open(photo.path) as image:
        pixels = image.convert("RGB")
    width, height = pixels.width // 2, pixels.height // 2
    for number, (column, row) in enumerate(product((0, 1), repeat=2), start=1):
        left, top = column * width, row * height
        path = workspace / f"{name.stem}-{number}.png"
        pixels.crop((left, top, left + width, top + height)).save(path, compress_level=1)
        yield PhotoFile(name=f"{name.with_suffix('')}-{number}.png", path=path)


def _installed(place: str) -> Path:
    package, _, inside = place.partition("/")
    spec = find_spec(package)  # finds without importing
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / inside if folders else None
    if path is None or not path.is_file():
        raise SourceError(f"{place} is not installed; run `pip install -r requirements.lock`")
    return path
