"""The demo's photos: the colour photographs that ship inside scikit-image and scikit-learn."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pipeline.errors import SourceError
from pipeline.sources.source import Found

# No photo is on both sides. Of all ways to halve the ten, this one brings the histograms of colour and
# brightness closest together: what separates the sides is the simulated camera, and not what they show.
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
    """One half of the demo's ten photographs: `camera` is for a simulated camera, `target` stays as it is."""

    kind: Literal["demo"]
    half: Literal["camera", "target"]

    def fetch(self, workspace: Path, label: str) -> Iterator[Found]:
        """Yield the photos where the packages keep them; nothing is copied.

        Raises: SourceError when a package does not ship a photo.
        """
        for place in HALVES[self.half]:
            yield Found(name=place, path=_installed(place))


def _installed(place: str) -> Path:
    package, _, inside = place.partition("/")
    spec = find_spec(package)  # finds without importing
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / inside if folders else None
    if path is None or not path.is_file():
        raise SourceError(f"{place} is not installed; `pip install -r requirements.lock` brings it")
    return path
