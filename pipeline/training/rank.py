"""The training loop of one rank, written against a small context: it knows no engine."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file, save
from torch import nn

from pipeline.errors import TrainingError
from pipeline.files import write_atomically
from pipeline.models.model_folder import save_model
from pipeline.training.settings import Training
from wespe import training
from wespe.batch import Batch, photos_nchw
from wespe.guard import Diverged, Guard, GuardConfig
from wespe.learner import Learner, LearnerConfig
from wespe.method import Method
from wespe.methods import METHODS, MethodConfig, build_method
from wespe.networks.features import read_weights

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
    guard: GuardConfig
    training: Training

    @property
    def paired(self) -> bool:
        """Whether patches come with their truths, in place of the target's patches."""
        return METHODS[self.method.name].method.paired


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
    guard: Guard
    run: Run
    history: list[dict[str, Any]]

    def write(self, folder: Path) -> None:
        """Write the state to go on from, and the model as it is now."""
        save_model(folder / MODEL, self.learner.generator, self.run.method, self._facts())
        state = {f"learner/{name}": value for name, value in self.learner.state_dict().items()}
        state |= {f"guard/{name}": value for name, value in self.guard.state_dict().items()}
        state["rng"] = torch.get_rng_state()
        state = {name: value.detach().cpu().contiguous() for name, value in state.items()}
        write_atomically(folder / STATE, save(state))
        write_atomically(folder / HISTORY, json.dumps(self.history).encode())

    def _facts(self) -> dict[str, Any]:
        run = self.run
        return {
            "camera": run.camera,
            "target": run.target,
            "step": self.learner.step,
            "rollbacks": self.guard.rollbacks,
            "size_px": run.size_px,
            "learner": asdict(run.learner),
            "guard": asdict(run.guard),
            "training": asdict(run.training),
            "data": dict(run.data),
        }

    def read(self, folder: Path) -> None:
        """Take over a checkpoint's state, in place."""
        state = load_file(folder / STATE)
        torch.set_rng_state(state["rng"])
        for part, prefix in ((self.learner, "learner/"), (self.guard, "guard/")):
            part.load_state_dict(
                {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            )
        self.history[:] = json.loads((folder / HISTORY).read_bytes())


def train(run: Run, context: Context, features: Path) -> None:
    """Train to the last step, from the latest checkpoint if there is one. Raises TrainingError.

    features: the file of content weights that `stages.features` wrote.
    """
    settings = run.training
    torch.manual_seed(settings.seed)
    learner = Learner(_method(run, features).to(context.device), run.learner, context.wrap, context.gather)
    learned = Learned(learner, Guard(run.guard, learner), run, [])
    if (checkpoint := context.latest()) is not None:
        learned.read(checkpoint)

    def saves(step: int) -> bool:
        return step % settings.checkpoint_every == 0 or step == settings.steps

    def due(step: int) -> bool:
        return step % settings.log_every == 0 or saves(step)

    batches = _batches(context, learner.step, settings.batch_size)
    try:
        for record in training.train(learner, batches, learned.guard, steps=settings.steps, due=due):
            learned.history.append(record)
            context.report(record, learned if saves(learner.step) else None)
    except Diverged as error:
        rate = run.learner.optimiser.learning_rate
        raise TrainingError(
            f"camera {run.camera}: {error}; lower learner.optimiser.learning_rate (now {rate:g}) "
            f"or raise guard.rollbacks (now {run.guard.rollbacks}) in its preset and run `dvc repro` again"
        ) from None


def _method(run: Run, features: Path) -> Method:
    content = getattr(run.method, "content", None)
    try:
        weights = read_weights(features, content) if content else None
        return build_method(run.method, size_px=run.size_px, features=weights)
    except ValueError as error:
        raise TrainingError(f"camera {run.camera}: {error}; run `dvc repro` to fetch them anew") from None


def _batches(context: Context, step: int, total: int) -> Iterator[Batch]:
    for source, target in context.batches(step):
        yield Batch(photos_nchw(source, context.device), photos_nchw(target, context.device), total)
