"""The training loop of one rank, written against a small context: it knows no engine."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file, save
from torch import nn

from pipeline.checkpoints import save_model
from pipeline.errors import TrainingError
from pipeline.files import write_atomically
from pipeline.training.settings import Training
from wespe.batch import Batch, photos_nchw
from wespe.learner import Learner, LearnerConfig, NonFiniteLoss
from wespe.methods import MethodConfig, build_method

STATE = "state.safetensors"
HISTORY = "history.json"
MODEL = "model"


@dataclass(frozen=True, kw_only=True)
class Run:
    """All that decides what is learned; `data` holds the digests of the patches."""

    camera: str
    target: str
    data: Mapping[str, str]
    size_px: int
    method: MethodConfig
    learner: LearnerConfig
    training: Training


class Context(Protocol):
    """Where a rank runs."""

    rank: int
    workers: int
    device: torch.device

    def wrap(self, module: nn.Module) -> nn.Module:
        """Make the workers' gradients of this module agree."""

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        """Stack a vector of every worker: (n,) → (workers, n)."""

    def batches(self, step: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """This rank's uint8 patches_nhwc of source and target, from `step` on."""

    def latest(self) -> Path | None:
        """The checkpoint to go on from."""

    def report(self, record: dict[str, Any], write: "Learned | None") -> None:
        """Say how far the run is; with `write`, let rank 0 write a checkpoint."""


@dataclass(frozen=True)
class Learned:
    """What a checkpoint holds."""

    learner: Learner
    run: Run
    history: list[dict[str, Any]]

    def write(self, folder: Path) -> None:
        """Write the state to go on from, and the model as it is now. Raises TrainingError."""
        if not all(value.isfinite().all() for value in self.learner.generator.state_dict().values()):
            raise TrainingError(
                f"camera {self.run.camera}: the generator is not finite at step {self.learner.step}; "
                "lower learner.learning_rate in its preset and run `dvc repro` again"
            )
        save_model(folder / MODEL, self.learner.generator, self.run.method, self._facts())
        state = {name: value.detach().cpu().contiguous() for name, value in self.learner.state_dict().items()}
        state["rng"] = torch.get_rng_state()
        write_atomically(folder / STATE, save(state))
        write_atomically(folder / HISTORY, json.dumps(self.history).encode())

    def _facts(self) -> dict[str, Any]:
        run = self.run
        return {
            "camera": run.camera,
            "target": run.target,
            "step": self.learner.step,
            "size_px": run.size_px,
            "learner": asdict(run.learner),
            "training": asdict(run.training),
            "data": dict(run.data),
        }

    def read(self, folder: Path) -> None:
        """Take over a checkpoint's state, in place."""
        state = load_file(folder / STATE)
        torch.set_rng_state(state.pop("rng"))
        self.learner.load_state_dict(state)
        self.history[:] = json.loads((folder / HISTORY).read_bytes())


def train(run: Run, context: Context) -> None:
    """Train to the last step, from the latest checkpoint if there is one. Raises TrainingError."""
    settings = run.training
    torch.manual_seed(settings.seed)
    method = build_method(run.method, size_px=run.size_px).to(context.device)
    learned = Learned(Learner(method, run.learner, context.wrap, context.gather), run, [])
    learner = learned.learner
    if (checkpoint := context.latest()) is not None:
        learned.read(checkpoint)
    batches = context.batches(learner.step)
    since, began = learner.step, time.perf_counter()
    while learner.step < settings.steps:
        learner.learn(_batch(next(batches), context.device, settings.batch_size))
        last = learner.step == settings.steps
        save_now = last or learner.step % settings.checkpoint_every == 0
        if save_now or learner.step % settings.log_every == 0:
            images_per_s = (learner.step - since) * settings.batch_size / (time.perf_counter() - began)
            record = {"step": learner.step, "images_per_s": round(images_per_s, 2), **_losses(run, learner)}
            learned.history.append(record)
            context.report(record, learned if save_now else None)
            since, began = learner.step, time.perf_counter()


def _batch(patches: tuple[torch.Tensor, torch.Tensor], device: torch.device, total: int) -> Batch:
    source, target = patches
    return Batch(photos_nchw(source, device), photos_nchw(target, device), total)


def _losses(run: Run, learner: Learner) -> dict[str, float]:
    """Losses by term. A loss that is not finite ends the run before it can reach a checkpoint."""
    try:
        return {name.partition("/")[2]: value for name, value in learner.read_losses().items()}
    except NonFiniteLoss as error:
        raise TrainingError(
            f"camera {run.camera}: {error}; lower learner.learning_rate (now {run.learner.learning_rate}) "
            "in its preset and run `dvc repro` again"
        ) from None
