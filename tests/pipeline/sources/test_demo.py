"""The demo's photos are there, disjoint, and alike."""

import subprocess
import sys

import numpy as np
import pytest

from pipeline.photos.images import read_photo
from pipeline.sources.demo import Demo


def photos(half) -> list[np.ndarray]:
    return [read_photo(found.path) for found in Demo(kind="demo", half=half).fetch(None, "fetch test")]


def test_the_halves_share_no_photo_and_differ_little_in_colour():
    """Protects: honest scores. A method must not gain by taking on what the other half shows."""
    camera, target = photos("camera"), photos("target")
    assert len(camera) == len(target) == 5
    assert not {photo.tobytes() for photo in camera} & {photo.tobytes() for photo in target}
    means = [np.mean([photo.mean((0, 1)) for photo in half], 0) for half in (camera, target)]
    assert means[0] == pytest.approx(means[1], abs=15)


def test_finding_them_imports_neither_package():
    """Protects: fetch starts at once; scikit-learn takes seconds to import."""
    code = (
        "import sys; from pipeline.sources.demo import Demo;"
        "list(Demo(kind='demo', half='camera').fetch(None, ''));"
        "assert not {'skimage', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
