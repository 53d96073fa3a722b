"""The batch job loses no photo, repeats none, and never touches the originals, whatever dies meanwhile."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.checkpoints import load_model, save_model
from pipeline.data.images import read_photo
from pipeline.enhancement import LEDGER, Summary, enhance_folder
from pipeline.errors import CheckpointError, EnhancementError
from pipeline.one_photo import Settings
from wespe.methods.wespe import WespeConfig
from wespe.networks.generator import Generator, GeneratorConfig

pytestmark = pytest.mark.usefixtures("ray_session")

PHOTOS = 14


def make_model(folder: Path, seed: int = 0, width: int = 4) -> Path:
    torch.manual_seed(seed)
    config = GeneratorConfig(width=width, blocks=1)
    save_model(folder, Generator(config), WespeConfig(generator=config), {})
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def ledger(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / LEDGER).read_text().splitlines()]


def times(folder: Path) -> dict[str, int]:
    return {name: (folder / name).stat().st_mtime_ns for name in names(folder)}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


@pytest.fixture
def many_photos(tmp_path: Path, demo_photos: Path) -> Path:
    """Enough work that there is time for a kill: a photo takes about half a second."""
    folder = tmp_path / "many"
    for number in range(PHOTOS):
        path = folder / f"roll-{number % 2}" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.open(demo_photos / "coffee.png").rotate(number).save(path, compress_level=1)
    return folder


def test_names_folders_and_formats_stay(model: Path, demo_photos: Path, tmp_path: Path) -> None:
    Image.open(demo_photos / "rocket.jpg").save(demo_photos / "Rocket.TIFF")
    (demo_photos / "trip/day 1").mkdir(parents=True)
    shutil.move(demo_photos / "chelsea.png", demo_photos / "trip/day 1/chat noir.png")
    (demo_photos / "notes.txt").write_text("not a photo")
    before = times(demo_photos)

    summary = enhance_folder(model, demo_photos, tmp_path / "out")

    assert (summary.done, summary.skipped, summary.failed) == (4, 0, ())
    assert names(tmp_path / "out") == sorted([LEDGER, *before.keys() - {"notes.txt"}])
    assert times(demo_photos) == before
    for name in before.keys() - {"notes.txt"}:
        original, enhanced = Image.open(demo_photos / name), Image.open(tmp_path / "out" / name)
        assert (enhanced.format, enhanced.size) == (original.format, original.size)


def test_pixels_are_the_models(model: Path, demo_photos: Path, tmp_path: Path) -> None:
    """What the engine writes is what the model alone computes."""
    enhance_folder(model, demo_photos / "coffee.png", tmp_path / "out")

    expected = load_model(model).enhance(read_photo(demo_photos / "coffee.png"))
    np.testing.assert_allclose(read_photo(tmp_path / "out/coffee.png"), expected, atol=1)


def test_done_is_skipped_and_only_what_changed_is_redone(
    model: Path, demo_photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    enhance_folder(model, demo_photos, out)
    before = times(out)

    assert enhance_folder(model, demo_photos, out) == Summary(
        done=0, skipped=3, failed=(), ledger=out / LEDGER
    )
    assert times(out) == before

    Image.open(demo_photos / "coffee.png").rotate(180).save(demo_photos / "coffee.png")
    (out / "rocket.jpg").unlink()
    assert enhance_folder(model, demo_photos, out).done == 2
    assert times(out)["chelsea.png"] == before["chelsea.png"]

    assert enhance_folder(make_model(tmp_path / "other", seed=1), demo_photos, out).done == 3


def test_another_setting_redoes_the_work_and_another_format_renames(
    model: Path, demo_photos: Path, tmp_path: Path
) -> None:
    """Protects: nobody takes a half-strength photo for a whole one; and no two results share a name."""
    out = tmp_path / "out"
    enhance_folder(model, demo_photos, out)
    half = Settings(strength=0.5, format="jpg")
    assert enhance_folder(model, demo_photos, out, half).done == 3
    assert enhance_folder(model, demo_photos, out, half).skipped == 3
    assert {"chelsea.jpg", "coffee.jpg", "rocket.jpg"} < set(names(out))

    Image.open(demo_photos / "rocket.jpg").save(demo_photos / "rocket.png")
    with pytest.raises(EnhancementError, match=r"rocket\.jpg: would be the result of 2 photos"):
        enhance_folder(model, demo_photos, out, half)


def test_a_broken_photo_is_listed_and_the_job_goes_on(model: Path, demo_photos: Path, tmp_path: Path) -> None:
    good = (demo_photos / "coffee.png").read_bytes()
    (demo_photos / "coffee.png").write_bytes(good[: len(good) // 2])

    summary = enhance_folder(model, demo_photos, tmp_path / "out")

    assert summary.done == 2
    [failure] = summary.failed
    assert failure.photo == "coffee.png"
    assert "cannot be decoded" in failure.reason
    assert "coffee.png" not in names(tmp_path / "out")

    (demo_photos / "coffee.png").write_bytes(good)
    mended = enhance_folder(model, demo_photos, tmp_path / "out")
    assert (mended.done, mended.skipped, mended.failed) == (1, 2, ())


def test_destinations_that_overlap_the_source_are_refused(model: Path, demo_photos: Path) -> None:
    for destination in (demo_photos, demo_photos / "enhanced", demo_photos.parent):
        with pytest.raises(EnhancementError, match="overlaps the source"):
            enhance_folder(model, demo_photos, destination)
    with pytest.raises(EnhancementError, match="overlaps the source"):
        enhance_folder(model, demo_photos / "coffee.png", demo_photos)
    assert LEDGER not in names(demo_photos)


def test_nothing_is_written_when_the_job_cannot_start(model: Path, demo_photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(EnhancementError, match=r"no photo in or below"):
        enhance_folder(model, tmp_path / "empty", tmp_path / "out")
    with pytest.raises(EnhancementError, match=r"no such file or folder"):
        enhance_folder(model, tmp_path / "missing", tmp_path / "out")
    with pytest.raises(EnhancementError, match=r"is a file"):
        enhance_folder(model, demo_photos, tmp_path / "file")
    with pytest.raises(CheckpointError):
        enhance_folder(tmp_path / "empty", demo_photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_killed_actor_loses_nothing(many_photos: Path, tmp_path: Path) -> None:
    out, model = tmp_path / "out", make_model(tmp_path / "wide", width=32)
    with ThreadPoolExecutor() as thread:
        job = thread.submit(enhance_folder, model, many_photos, out)
        wait_until(lambda: finished(out) >= 2 or job.done())
        assert not job.done(), "the job was too quick to be killed"
        os.kill(next(actors_below(os.getpid())), signal.SIGKILL)
        summary = job.result(timeout=120)

    assert (summary.done, summary.failed) == (PHOTOS, ())
    assert names(out) == sorted([LEDGER, *names(many_photos)])
    assert sorted(entry["photo"] for entry in ledger(out)) == names(many_photos)


def test_a_killed_job_goes_on_with_the_unfinished(many_photos: Path, tmp_path: Path) -> None:
    out, model = tmp_path / "out", make_model(tmp_path / "wide", width=32)
    job = (
        "import sys; from pathlib import Path; from pipeline.enhancement import enhance_folder; "
        "enhance_folder(*map(Path, sys.argv[1:]))"
    )
    driver = subprocess.Popen([sys.executable, "-c", job, model, many_photos, out], stderr=subprocess.DEVNULL)
    wait_until(lambda: finished(out) >= 2 or driver.poll() is not None)
    driver.kill()
    assert driver.wait() == -signal.SIGKILL, "the job was too quick to be killed"
    recorded = {entry["photo"] for entry in ledger(out)}
    before = times(out)

    summary = enhance_folder(model, many_photos, out)

    assert (summary.done, summary.skipped) == (PHOTOS - len(recorded), len(recorded))
    assert {name: times(out)[name] for name in recorded} == {name: before[name] for name in recorded}
    assert set(names(many_photos)) <= set(names(out))


def finished(out: Path) -> int:
    path = out / LEDGER
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_until(condition: Callable[[], bool], timeout_s: float = 120) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"nothing happened within {timeout_s} s"
        time.sleep(0.05)


def actors_below(pid: int) -> Iterator[int]:
    """Yield the enhancing actors among the descendants of a process, which this session started."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    for child in " ".join(path.read_text() for path in children).split():
        if b"Enhancer" in Path(f"/proc/{child}/cmdline").read_bytes():
            yield int(child)
        yield from actors_below(int(child))
