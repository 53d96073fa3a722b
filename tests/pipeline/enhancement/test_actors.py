"""The same job on real Ray actors, which are really killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.enhancement.actors import on_ray
from pipeline.enhancement.job import Summary
from pipeline.models.model_folder import load_model
from pipeline.photos.images import read_photo

pytestmark = pytest.mark.usefixtures("ray_session")

PHOTOS = 14
JOB = """
import sys
from pathlib import Path
from pipeline.enhancement.actors import on_ray
from pipeline.enhancement.job import carry_out
from pipeline.enhancement.plan import make_plan
from pipeline.enhancement.routing import Router
from pipeline.enhancement.one_photo import Settings
model, source, out = sys.argv[1:]
carry_out(make_plan([source], out, Router(fixed=model), Path, Settings()), on_ray)
"""


@pytest.fixture
def many_photos(tmp_path: Path, demo_photos: Path) -> Path:
    """Enough work that there is time for a kill: a photo takes about half a second."""
    folder = tmp_path / "many"
    for number in range(PHOTOS):
        path = folder / f"roll-{number % 2}" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.open(demo_photos / "coffee.png").rotate(number).save(path, compress_level=1)
    return folder


def test_actors_give_the_same_results_as_this_process(
    model, enhance, demo_photos: Path, tmp_path: Path
) -> None:
    assert enhance(model, demo_photos, tmp_path / "out", engine=on_ray) == Summary(done=3, failed=())
    expected = load_model(model).enhance(read_photo(demo_photos / "coffee.png"))
    np.testing.assert_allclose(read_photo(tmp_path / "out/coffee.png"), expected, atol=1)
    assert enhance(model, demo_photos, tmp_path / "out", engine=on_ray).done == 0


def test_a_killed_actor_loses_nothing(make_model, enhance, times, many_photos: Path, tmp_path: Path) -> None:
    out, model = tmp_path / "out", make_model("wide", width=32)
    with ThreadPoolExecutor() as thread:
        job = thread.submit(enhance, model, many_photos, out, engine=on_ray)
        wait_until(lambda: len(recorded(out)) >= 2 or job.done())
        assert not job.done(), "the job was too quick to be killed"
        os.kill(next(actors_below(os.getpid())), signal.SIGKILL)
        summary = job.result(timeout=600)

    assert (summary.done, summary.failed) == (PHOTOS, ())
    assert times(out).keys() == times(many_photos).keys()
    assert sorted(recorded(out)) == sorted(times(many_photos))


def test_a_killed_job_resumes_with_unfinished_photos(
    make_model, enhance, plan, times, many_photos: Path, tmp_path: Path
) -> None:
    out, model = tmp_path / "out", make_model("wide", width=32)
    driver = start(model, many_photos, out)
    wait_until(lambda: len(recorded(out)) >= 2 or driver.poll() is not None)
    driver.kill()
    assert driver.wait() == -signal.SIGKILL, "the job was too quick to be killed"
    before, safe = times(out), set(recorded(out))

    assert plan(model, many_photos, out).finished == len(safe)
    assert enhance(model, many_photos, out, engine=on_ray).done == PHOTOS - len(safe)
    assert {name: times(out)[name] for name in safe} == {name: before[name] for name in safe}
    assert times(out).keys() == times(many_photos).keys()


def test_two_jobs_on_one_place_do_not_clash(
    make_model, plan, times, many_photos: Path, tmp_path: Path
) -> None:
    """Protects: a job that was started twice. Both may do the same work; no file is damaged or lost."""
    out, model = tmp_path / "out", make_model("wide", width=16)
    jobs = [start(model, many_photos, out) for _ in range(2)]
    assert [job.wait(timeout=600) for job in jobs] == [0, 0]

    assert times(out).keys() == times(many_photos).keys()
    assert plan(model, many_photos, out).tasks == ()
    expected = load_model(model).enhance(read_photo(many_photos / "roll-0/00.png"))
    np.testing.assert_allclose(read_photo(out / "roll-0/00.png"), expected, atol=1)


def start(model: Path, source: Path, out: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", JOB, model, source, out], stderr=subprocess.DEVNULL)


def recorded(out: Path) -> list[str]:
    parts = (out / "ledger").glob("[!.]*.parquet")
    return [photo for part in parts for photo in pq.read_table(part)["photo"].to_pylist()]


def wait_until(condition: Callable[[], bool], timeout_s: float = 120) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"nothing happened within {timeout_s} s"
        time.sleep(0.05)


def actors_below(pid: int) -> Iterator[int]:
    """Yield the enhancing actors among the descendants of a process, which this session started."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    for child in " ".join(path.read_text() for path in children).split():
        if b"Actor)" in Path(f"/proc/{child}/cmdline").read_bytes():
            yield int(child)
        yield from actors_below(int(child))
