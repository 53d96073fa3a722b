"""Training stages as a user runs them, killed for real: nothing is lost, and nothing changes."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import chdir
from pathlib import Path

import psutil
import pytest
import yaml

from pipeline.layout import CameraPaths
from pipeline.params import load
from pipeline.patches.patchify import patchify
from pipeline.sources.fetching import fetch_photos

SIZE = 32
PARAMS = {
    "cameras": {
        "phone": {
            "photos": {
                "source": {"kind": "demo", "half": "camera"},
                "split": {"validation": 0, "test": 0.31},
            },
            "patches": {"size_px": SIZE, "per_photo": 40},
            "target": "good",
            "preset": "tiny",
        }
    },
    "targets": {
        "good": {
            "photos": {"source": {"kind": "demo", "half": "target"}},
            "patches": {"size_px": SIZE, "per_photo": 40},
        }
    },
    "presets": {
        "tiny": {
            "method": {
                "name": "wespe",
                "generator": {"width": 4, "blocks": 1},
                "critic": {"width": 0.1},
                "content": {"layers": {"relu1_2": 1.0}, "weights": "random"},
            },
            "learner": {"optimiser": {"learning_rate": 0.0005}, "ema_decay": 0.9},
            "guard": {"min_psnr_db": 0},
            "training": {"steps": 60, "batch_size": 4, "log_every": 10, "checkpoint_every": 10},
        }
    },
}


class Workplace:
    """A folder with params.yaml and patches, where stages run as a user runs them."""

    def __init__(self, folder: Path, repository: Path):
        self.folder = folder
        self.environment = os.environ | {"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
        self.write(PARAMS)

    def write(self, params: dict) -> None:
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params))

    def start(self, *stage: str) -> subprocess.Popen:
        command = [sys.executable, "-m", *stage]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *stage: str) -> str:
        process = self.start(*stage)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        return output

    def wait_for_checkpoint(self, process: subprocess.Popen, count: int) -> None:
        """Until the run has written its n-th checkpoint; its folders are named by number."""
        for _ in range(2400):
            if (
                len(list(self.folder.glob("runs/phone/*/checkpoint_*/history.json")))
                and self.step() >= 10 * count
            ):
                return
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.05)
        raise AssertionError("no checkpoint within two minutes")

    def step(self) -> int:
        histories = self.folder.glob("runs/phone/*/checkpoint_*/history.json")
        return max((json.loads(history.read_bytes())[-1]["step"] for history in histories), default=0)

    def weights(self) -> bytes:
        return (self.folder / CameraPaths(camera="phone").model / "generator.safetensors").read_bytes()


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, repository: Path, ray_session: None) -> Workplace:
    place = Workplace(tmp_path_factory.mktemp("work"), repository)
    with chdir(place.folder):
        params = load()
        for address in ("targets.good", "cameras.phone"):
            block = params.photo_set(address)
            fetch_photos(address, block.photos)
            patchify(address, block.patches)
    return place


def kill_worker(driver: subprocess.Popen) -> None:
    """SIGKILL the training worker among the processes that this driver started."""
    [worker] = [
        child
        for child in psutil.Process(driver.pid).children(recursive=True)
        if "RayTrainWorker" in child.name() or any("RayTrainWorker" in part for part in child.cmdline())
    ]
    worker.send_signal(signal.SIGKILL)


def test_killed_worker_and_killed_driver_go_on_and_end_as_if_nothing_had_been(workplace: Workplace) -> None:
    """Stream position, optimisers, average and losses all resume: the weights are the same bit for bit."""
    workplace.run("stages.train", "phone")
    uncut, losses = workplace.weights(), (workplace.folder / "reports/phone/losses.json").read_text()
    assert not (workplace.folder / "runs/phone").exists()

    driver = workplace.start("stages.train", "phone")
    workplace.wait_for_checkpoint(driver, 1)
    kill_worker(driver)
    workplace.wait_for_checkpoint(driver, 3)  # the replacement went on
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    assert 30 <= workplace.step() < 60

    output = workplace.run("stages.train", "phone")
    assert "going on from step" in output
    assert workplace.weights() == uncut
    steps = [
        [record["step"] for record in json.loads(text)]
        for text in (losses, (workplace.folder / "reports/phone/losses.json").read_text())
    ]
    assert steps[0] == steps[1] == [10, 20, 30, 40, 50, 60]


def test_a_loss_that_is_not_finite_stops_the_run_at_once_and_leaves_no_model(workplace: Workplace) -> None:
    before = workplace.weights()
    params = json.loads(json.dumps(PARAMS))
    params["presets"]["tiny"]["learner"]["optimiser"]["learning_rate"] = 1e30
    workplace.write(params)
    process = workplace.start("stages.train", "phone")
    output, _ = process.communicate(timeout=200)
    workplace.write(PARAMS)
    assert process.returncode == 1
    assert "train: camera phone: the loss " in output
    assert "is not finite at step" in output
    assert "lower learner.optimiser.learning_rate" in output
    assert "Traceback" not in output
    assert workplace.weights() == before
