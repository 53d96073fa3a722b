"""Trainings as a user runs them, with processes killed: nothing is lost, and the result is the same."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
import yaml

from pipeline.layout import WEIGHTS, CameraPaths, photo_set
from pipeline.params import load
from pipeline.patches.groups import ShardGroups
from pipeline.patches.patchify import patchify
from pipeline.patches.shards import read_index
from pipeline.sources.fetching import fetch_photos
from pipeline.training.checkpoint import MODEL
from pipeline.training.memory_context import MemoryContext
from pipeline.training.rank import train
from pipeline.training.run import Run

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
            "learner": {"optimiser": {"learning_rate": 0.0005}, "ema_decay": 0.9, "precision": "fp32"},
            "guard": {"min_psnr_db": 0},
            "training": {"steps": 60, "batch_size": 4, "log_every": 10, "checkpoint_every": 10},
        }
    },
}


class Workplace:
    """A folder with params.yaml and patches, in which stages run."""

    def __init__(self, folder: Path, environment: Mapping[str, str]):
        self.folder, self.environment = folder, environment
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
        output, _ = process.communicate(timeout=900)
        assert process.returncode == 0, output
        return output

    def wait_for_checkpoint(self, process: subprocess.Popen, count: int) -> None:
        """Wait until the run has written its n-th checkpoint; two busy cores start a training in minutes."""
        for _ in range(12_000):
            if (
                len(list(self.folder.glob("runs/phone/*/checkpoint_*/history.json")))
                and self.step() >= 10 * count
            ):
                return
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.05)
        raise AssertionError("no checkpoint within ten minutes")

    def step(self) -> int:
        histories = self.folder.glob("runs/phone/*/checkpoint_*/history.json")
        return max((json.loads(history.read_bytes())[-1]["step"] for history in histories), default=0)

    def weights(self) -> bytes:
        return (self.folder / CameraPaths(camera="phone").model / WEIGHTS).read_bytes()


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, repository: Path, ray_session: None) -> Workplace:
    environment = os.environ | {"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    place = Workplace(tmp_path_factory.mktemp("work"), environment)
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


def uncut(folder: Path) -> bytes:
    """The weights of the same training in this process, which no one kills; to be called in the workplace."""
    preset = load().presets["tiny"]
    run = Run(
        camera="phone",
        target="good",
        data={},
        size_px=SIZE,
        method=preset.method,
        learner=preset.learner,
        guard=preset.guard,
        training=preset.training,
    )
    source, target = (patches_of(photo_set(address).patches) for address in ("cameras.phone", "targets.good"))
    torch.set_num_threads(os.cpu_count() or 1)  # as a worker does: other sums round differently
    train(run, MemoryContext(run, source, target, checkpoint=folder), folder)
    return (folder / MODEL / WEIGHTS).read_bytes()


def patches_of(folder: Path) -> np.ndarray:
    groups = ShardGroups.of(read_index(folder), "train")
    return np.concatenate([groups.read(group)[0] for group in range(len(groups.rows))])


def test_a_killed_worker_and_a_killed_driver_resume_to_the_same_weights(
    workplace: Workplace, tmp_path: Path
) -> None:
    """Stream position, optimisers, average and losses all resume: the weights are the same bit for bit."""
    driver = workplace.start("stages.train", "phone")
    workplace.wait_for_checkpoint(driver, 1)
    kill_worker(driver)
    workplace.wait_for_checkpoint(driver, 3)  # the replacement has resumed
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    assert 30 <= workplace.step() < 60

    output = workplace.run("stages.train", "phone")
    assert "resuming from step" in output
    assert not (workplace.folder / "runs/phone").exists()
    losses = json.loads((workplace.folder / "reports/phone/losses.json").read_text())
    assert [record["step"] for record in losses] == [10, 20, 30, 40, 50, 60]
    with chdir(workplace.folder):
        assert workplace.weights() == uncut(tmp_path / "uncut")
