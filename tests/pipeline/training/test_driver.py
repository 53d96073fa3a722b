"""Training by the real Ray Train: two ranks that agree, and kills that really kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import yaml
from safetensors.torch import load_file

from pipeline.layout import CameraPaths
from wespe.batch import Batch
from wespe.learner import Learner, LearnerConfig
from wespe.methods import build_method
from wespe.methods.wespe import WespeConfig
from wespe.networks.critic import CriticConfig
from wespe.networks.generator import GeneratorConfig
from wespe.networks.vgg import ContentConfig

METHOD = WespeConfig(
    generator=GeneratorConfig(width=4, blocks=1),
    critic=CriticConfig(width=0.1),
    content=ContentConfig(layer="relu1_2", weights="random"),
)
LEARNER = LearnerConfig(ema_decay=0.5)
TOTAL, SIZE = 8, 32


def batch(step: int, part: slice) -> Batch:
    source, target = torch.rand(2, TOTAL, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(step))
    return Batch(source[part], target[part], TOTAL)


def learner(wrap: Any = lambda module: module, gather: Any = lambda values: values[None]) -> Learner:
    torch.manual_seed(0)
    return Learner(build_method(METHOD, size_px=SIZE), LEARNER, wrap, gather)


def half_a_batch_on_each_rank(config: dict[str, str]) -> None:
    """Runs inside a Ray Train worker."""
    from safetensors.torch import save_file

    from pipeline.training.context import RayContext

    context = RayContext(batch_size=TOTAL, size_px=SIZE)
    one = learner(context.wrap, context.gather)
    share = TOTAL // context.workers
    for step in range(2):
        one.learn(batch(step, slice(context.rank * share, (context.rank + 1) * share)))
    losses = {name: torch.tensor(value) for name, value in one.read_losses().items()}
    save_file(one.state_dict() | losses, Path(config["folder"]) / f"{context.rank}.safetensors")


@pytest.mark.usefixtures("ray_session")
def test_two_workers_learn_what_one_learns_from_the_joined_batch(tmp_path: Path) -> None:
    """Eqs. 3 and 4 sum over the batch, DDP averages over the workers: the scale must come out right."""
    from ray import cloudpickle
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    # Workers cannot import a test module: its functions travel by value.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    TorchTrainer(
        half_a_batch_on_each_rank,
        train_loop_config={"folder": str(tmp_path)},
        scaling_config=ScalingConfig(num_workers=2),
        run_config=RunConfig(name="pair", storage_path=str(tmp_path)),
    ).fit()
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())

    alone = learner()
    for step in range(2):
        alone.learn(batch(step, slice(None)))
    for name, value in alone.read_losses().items():
        assert first[name].item() == pytest.approx(value, rel=1e-3), name
    for name, value in alone.state_dict().items():
        if name.startswith("networks/"):
            torch.testing.assert_close(first[name], value, atol=5e-4, rtol=1e-2)


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
                "content": {"layer": "relu1_2", "weights": "random"},
            },
            "learner": {"learning_rate": 0.0005, "ema_decay": 0.9},
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
def workplace(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Workplace:
    place = Workplace(tmp_path_factory.mktemp("work"), repository)
    for address in ("targets.good", "cameras.phone"):
        place.run("stages.fetch", address)
        place.run("stages.patchify", address)
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
    params["presets"]["tiny"]["learner"]["learning_rate"] = 1e30
    workplace.write(params)
    process = workplace.start("stages.train", "phone")
    output, _ = process.communicate(timeout=200)
    workplace.write(PARAMS)
    assert process.returncode == 1
    assert "train: camera phone: the loss " in output
    assert "is not finite at step" in output
    assert "lower learner.learning_rate" in output
    assert "Traceback" not in output
    assert workplace.weights() == before
