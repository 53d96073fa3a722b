"""Films as a photographer enhances them: one, and those of a folder."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av")
pytestmark = pytest.mark.engine  # each starts commands
Run = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = "from stages.laptop import main; main()"
WITHOUT = "import sys; sys.modules['av'] = None; " + COMMAND


@pytest.fixture
def run(tmp_path: Path, repository: Path) -> Run:
    """Return `run(*arguments, command=COMMAND)`, in a folder with holiday/{clip.mp4,beach.png,notes.txt}."""
    folder = tmp_path / "holiday"
    folder.mkdir()
    photo = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    Image.fromarray(photo).save(folder / "beach.png")
    (folder / "notes.txt").write_text("x")
    with av.open(str(folder / "clip.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(5):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(photo, "rgb24")))
        out.mux(stream.encode(None))

    def command(*arguments: str, command: str = COMMAND) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": str(repository), "WESPE_MODELS": str(tmp_path / "own")}
        line = [sys.executable, "-c", command, *arguments]
        return subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True)

    return command


def test_one_film(run: Run, tmp_path: Path) -> None:
    """Protects: the name, the score, and that other files are never replaced."""
    ended = run("enhance", "holiday/clip.mp4", "--score")
    assert ended.returncode == 0, ended.stderr
    assert "model generic-phone for 1 film" in ended.stderr
    assert "holiday/clip-enhanced.mp4" in ended.stdout
    assert "relative to the film: luma 1.0" in ended.stdout
    assert (tmp_path / "holiday/clip-enhanced.mp4").is_file()
    ended = run("enhance", "holiday/beach.png", "-o", "holiday/clip.mp4")
    assert ended.returncode == 1
    (tmp_path / "other.mp4").write_bytes((tmp_path / "holiday/clip.mp4").read_bytes())
    ended = run("enhance", "holiday/clip.mp4", "-o", "other.mp4")
    assert ended.returncode == 1
    assert "was not made by wespe" in ended.stderr


def test_a_folder_of_photos_and_films(run: Run, tmp_path: Path) -> None:
    """Protects: a second run only does what is new."""
    ended = run("enhance", "holiday")
    assert ended.returncode == 0, ended.stderr
    results = tmp_path / "holiday-enhanced"
    assert {path.name for path in results.iterdir()} >= {"beach.png", "clip.mp4"}
    made = (results / "clip.mp4").stat().st_mtime_ns
    ended = run("enhance", "holiday")
    assert "clip.mp4 (up to date)" in ended.stdout
    assert (results / "clip.mp4").stat().st_mtime_ns == made


def test_without_the_extra_a_line_says_what_to_install(run: Run) -> None:
    ended = run("enhance", "holiday/clip.mp4", command=WITHOUT)
    assert ended.returncode == 1
    assert "pip install 'wespe[film]'" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("option", "said"),
    [(["--codec", "divx"], "codec must be one of h264"), (["--crf", "99"], "crf must be from 0")],
)
def test_settings_out_of_range(run: Run, option: list[str], said: str) -> None:
    ended = run("enhance", "holiday/clip.mp4", *option)
    assert ended.returncode == 1
    assert said in ended.stderr
