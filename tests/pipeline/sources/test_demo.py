"""The demo's photos are there, disjoint, and alike."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from pipeline.photos.images import read_photo
from pipeline.sources.demo import Demo


def photos(half: str, workspace: Path) -> list[np.ndarray]:
    return [read_photo(found.path) for found in Demo(kind="demo", half=half).fetch(workspace, "fetch test")]


def test_the_halves_share_no_photo_and_differ_little_in_colour(tmp_path: Path):
    """Protects: honest scores. A method must not gain from similar subjects in both halves."""
    camera, target = photos("camera", tmp_path), photos("target", tmp_path)
    assert (len(camera), len(target)) == (20, 5)
    assert not {photo.tobytes() for photo in camera} & {photo.tobytes() for photo in target}
    means = [np.mean([photo.mean((0, 1)) for photo in half], 0) for half in (camera, target)]
    assert means[0] == pytest.approx(means[1], abs=15)


def test_the_cameras_photos_are_the_quarters_of_five(tmp_path: Path):
    """Protects: enough test photos for an interval, each with its own pixels."""
    whole, quarters = data.astronaut(), photos("camera", tmp_path)[:4]
    columns = [np.concatenate(quarters[:2]), np.concatenate(quarters[2:])]
    assert np.array_equal(np.concatenate(columns, axis=1), whole)


def test_finding_them_imports_neither_package():
    """Protects: fetch starts at once; scikit-learn takes seconds to import."""
    code = (
        "import sys; from pipeline.sources.demo import Demo;"
        "list(Demo(kind='demo', half='target').fetch(None, ''));"
        "assert not {'skimage', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
