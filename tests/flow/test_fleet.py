"""A real fleet: small cameras on one Ray; one diverges, a worker is killed, and SIGTERM at the end."""

import copy
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.flow.conftest import Checkout

DEADLINE_S = 900
LONG = {"steps": 40, "batch_size": 4, "log_every": 1, "checkpoint_every": 5}


@pytest.fixture(scope="module")
def fleet(checkout: Checkout) -> Checkout:
    """Cameras `demo-phone`, and `wild`, whose learning rate is far too high."""
    params = checkout.params()
    params["presets"]["demo"]["training"] = LONG
    wild = copy.deepcopy(params["presets"]["demo"])
    wild["learner"] = {"optimiser": {"learning_rate": 1e9}, "precision": "fp32"}
    wild["guard"] = {"min_psnr_db": 0, "rollbacks": 0}
    params["presets"]["wild"] = wild
    params["cameras"]["wild"] = copy.deepcopy(params["cameras"]["demo-phone"]) | {"preset": "wild"}
    checkout.write(params)
    checkout.commit()
    return checkout


def start(checkout: Checkout, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "stages.fleet", *arguments],
        cwd=checkout.folder,
        env=checkout.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(checkout: Checkout, camera: str, pattern: str, process: subprocess.Popen[str]) -> None:
    """Wait until a camera's log has a line."""
    log, ends = checkout.folder / f"runs/.fleet/cameras.{camera}.log", time.monotonic() + DEADLINE_S
    while not (log.exists() and re.search(pattern, log.read_text())):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < ends, log.read_text() if log.exists() else "no log"
        time.sleep(0.1)


def descendants(process: subprocess.Popen[str], name: str) -> list[psutil.Process]:
    found = psutil.Process(process.pid).children(recursive=True)
    return [child for child in found if any(name in part for part in [child.name(), *child.cmdline()])]


def test_cameras_run_side_by_side_and_one_failure_stops_no_other(fleet: Checkout) -> None:
    """Protects: hundreds of cameras of which some always fail, and machines that die."""
    running = start(fleet, "--at-once", "2")
    try:
        wait_for(fleet, "demo-phone", r"train demo-phone  (\d\d)/40 steps", running)
        descendants(running, "RayTrainWorker")[0].send_signal(signal.SIGKILL)
        output, _ = running.communicate(timeout=DEADLINE_S)
    finally:
        running.terminate()
    assert running.returncode == 1, output
    assert re.search(r"^demo-phone +\d+ s  done$", output, re.MULTILINE), output
    assert re.search(r"^wild +\d+ s  failed in train: .*learning_rate", output, re.MULTILINE), output
    assert "fleet: 1 failed (wild)" in output
    assert "demo-phone/report.html" in (fleet.folder / "reports/index.html").read_text()
    assert fleet.run(sys.executable, "-m", "stages.fleet", "--dry-run").split() == ["cameras.wild"]


def test_sigterm_ends_all_processes_and_the_rest_is_done_next_time(fleet: Checkout) -> None:
    """As Ctrl-C does, which has the same handler: schedulers of clusters send SIGTERM."""
    params = fleet.params()
    params["presets"]["wild"]["learner"] = {"optimiser": {"learning_rate": 1e-4}, "precision": "fp32"}
    fleet.write(params)
    (fleet.folder / "runs/.fleet/cameras.wild.log").unlink()  # of the test before
    running = start(fleet)
    wait_for(fleet, "wild", "train wild: starting 40 steps", running)
    started = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGTERM)
    output, _ = running.communicate(timeout=DEADLINE_S)
    assert running.returncode == 130, output
    assert "run the same command again to resume" in output
    _, alive = psutil.wait_procs(started, timeout=120)
    assert not alive
    assert fleet.run(sys.executable, "-m", "stages.fleet", "--dry-run").split() == ["cameras.wild"]


def test_an_unknown_camera_is_refused_before_any_work(fleet: Checkout) -> None:
    ended = fleet.call(sys.executable, "-m", "stages.fleet", "none")
    assert ended.returncode == 1
    assert "none" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
