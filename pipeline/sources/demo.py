"""The demo's photos: the colour photographs that ship inside scikit-image and scikit-learn."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pipeline.errors import SourceError
from pipeline.sources.source import PhotoFile

# No photo is on both sides. Of all ways to halve the ten, this one makes the histograms of colour and
# brightness most alike, so that the sides differ by the simulated camera and not by their subjects.
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
    """One half of the demo's ten photographs: `camera` for a simulated camera, `target` as they are."""

    kind: Literal["demo"]
    half: Literal["camera", "target"]

    def fetch(self, workspace: Path, label: str) -> Iterator[PhotoFile]:
        """Yield the photos from where the packages are installed; nothing is copied.

        Raises: SourceError when a package lacks a photo.
        """
        for place in HALVES[self.half]:
            yield PhotoFile(name=place, path=_installed(place))


def _installed(place: str) -> Path:
    package, _, inside = place.partition("/")
    spec = find_spec(package)  # finds without importing
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / inside if folders else None
    if path is None or not path.is_file():
        raise SourceError(f"{place} is not installed; run `pip install -r requirements.lock`")
    return path
