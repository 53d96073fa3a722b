"""A killed run goes on at its segment, and segments have the pixels of the whole film."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import FilmError
from pipeline.films.first_pass import look_at
from pipeline.films.one_film import enhance_film, enhanced
from pipeline.films.settings import FilmSettings
from pipeline.models.model_folder import Model
from tests.pipeline.films.conftest import Make, packets, pan, photos, times

pytest.importorskip("av")
RATE, FRAMES = 10, 130  # 13 seconds, of which a segment takes at least four
FACTS = {"rate": RATE, "options": {"g": "10", "x264-params": "open-gop=1", "bf": "2"}}
SLOW = """
import sys, time
from pathlib import Path
from pipeline.films.one_film import enhance_film
from pipeline.films.settings import FilmSettings
from pipeline.models.model_folder import Model, load_model

fast = Model.enhance
def slow(*given, **more):
    time.sleep(0.03)
    return fast(*given, **more)
Model.enhance = slow
enhance_film(load_model(Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3]), FilmSettings())
"""
Kill = Callable[[Path, Path], Path]


@pytest.fixture
def killed(model_folder: Path, repository: Path) -> Kill:
    """Return a function that enhances slowly, and kills itself after a segment; it returns the segment."""

    def kill(source: Path, result: Path) -> Path:
        first = result.with_name(result.name + ".part") / "000000.segment"
        run = subprocess.Popen(
            [sys.executable, "-c", SLOW, model_folder, source, result],
            env=os.environ | {"PYTHONPATH": str(repository)},
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 600
        while not first.exists() and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        run.kill()
        assert run.wait() == -signal.SIGKILL
        return first

    return kill


def test_a_killed_run_goes_on(
    make: Make, model: Model, killed: Kill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects: hours of work; the joined film is that of a run without a kill, packet for packet."""
    source, result = make(photos=pan(FRAMES, 64, 80), **FACTS), tmp_path / "result.mp4"
    first = killed(source, result)
    assert not result.exists()
    done, film = len(list(first.parent.glob("*.segment"))), look_at(source, model)[0]
    assert 1 <= done < len(film.segments)
    calls, fast = [], Model.enhance
    monkeypatch.setattr(Model, "enhance", lambda *given, **more: (calls.append(1), fast(*given, **more))[1])
    enhance_film(model, source, result, FilmSettings())
    assert len(calls) == FRAMES - film.segments[done]
    assert times(result) == times(source)
    assert packets(result, "audio") == packets(source, "audio")
    enhance_film(model, source, tmp_path / "whole.mp4", FilmSettings())
    assert packets(tmp_path / "whole.mp4", "video") == packets(result, "video")
    assert not first.parent.exists()


def test_two_runs_do_not_write_the_same_film(
    make: Make, model: Model, model_folder: Path, repository: Path, tmp_path: Path
) -> None:
    """Protects: two terminals, or a second Enter; both would write the same segments."""
    source, result = make(photos=pan(FRAMES), **FACTS), tmp_path / "out.mp4"
    first = subprocess.Popen(
        [sys.executable, "-c", SLOW, model_folder, source, result],
        env=os.environ | {"PYTHONPATH": str(repository)},
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 600
        while not (tmp_path / "out.mp4.part").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        with pytest.raises(FilmError, match=r"another process is writing out.mp4"):
            enhance_film(model, source, result, FilmSettings())
    finally:
        first.kill()
        first.wait()
    enhance_film(model, source, result, FilmSettings())
    assert len(photos(result)) == FRAMES
    assert not list(tmp_path.glob(".*.lock"))


def test_segments_have_the_pixels_of_the_whole_film(make: Make, model: Model) -> None:
    """Protects: no seam, even where pictures before a key frame refer to it."""
    source = make(photos=pan(FRAMES, 64, 80), **FACTS)
    film, track = look_at(source, model)
    assert len(film.segments) >= 3
    whole = [frame.photo_hwc for frame in enhanced(model, source, film, track, 1.0)]
    assert len(whole) == FRAMES
    for start in film.segments[1:]:
        rest = [frame.photo_hwc for frame in enhanced(model, source, film, track, 1.0, start)]
        assert len(rest) == FRAMES - start
        for one, other in zip(rest, whole[start:], strict=True):
            assert np.array_equal(one, other)


def test_there_is_no_seam_in_the_joined_film(make: Make, model: Model, tmp_path: Path) -> None:
    """Protects: where segments meet, frames are as near to their source as elsewhere."""
    source, result = make(photos=pan(FRAMES, 64, 80), **FACTS), tmp_path / "result.mp4"
    film, track = look_at(source, model)
    enhance_film(model, source, result, FilmSettings(crf=10))
    wanted = [frame.photo_hwc for frame in enhanced(model, source, film, track, 1.0)]
    apart = [np.abs(one.astype(int) - two).mean() for one, two in zip(wanted, photos(result), strict=True)]
    assert max(apart) < 2 * np.median(apart)


def test_other_settings_begin_anew(make: Make, model: Model, tmp_path: Path) -> None:
    source, result = make(), tmp_path / "result.mp4"
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patched:
        patched.setattr("pipeline.films.one_film.join", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            enhance_film(model, source, result, FilmSettings(strength=1))
    assert not result.exists()
    assert (tmp_path / "result.mp4.part").exists()
    enhance_film(model, source, result, FilmSettings(strength=0))
    apart = [np.abs(a.astype(int) - b).mean() for a, b in zip(photos(source), photos(result), strict=True)]
    assert max(apart) < 4


def test_a_folder_of_others_is_left_alone(make: Make, model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "result.mp4.part"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(FilmError, match="in the way"):
        enhance_film(model, make(), tmp_path / "result.mp4", FilmSettings())
    assert (folder / "mine.txt").exists()
