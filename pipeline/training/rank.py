"""The training loop of one rank, independent of any engine: a Context provides workers and data."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from pipeline.errors import TrainingError
from pipeline.seeds import seed_of
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.run import Run
from wespe import training
from wespe.batch import Batch, photos_nchw
from wespe.guard import Guard
from wespe.learner import Learner
from wespe.method import Method
from wespe.methods import build_method
from wespe.networks.features import read_weights
from wespe.precision import is_fast
from wespe.sample import Sample


class Context(Protocol):
    """The environment in which a rank runs."""

    rank: int
    workers: int
    device: torch.device

    def wrap(self, module: nn.Module) -> nn.Module:
        """Wrap a module so that its gradients are averaged over workers."""

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        """Stack one vector per worker: (n,) → (workers, n)."""

    def samples(self, most: int) -> tuple[Sample, Sample]:
        """Return at most `most` patches of each set, taken evenly from it; the same on every worker.

        With whole photos, if the run needs them.
        """

    def batches(self, step: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """Yield this rank's uint8 patches_nhwc, or whole photos, of source and target, starting at `step`.

        If the run needs them, whole photos of the target follow.
        """

    def latest(self) -> Path | None:
        """Return the folder of the checkpoint to resume from, or None."""

    def announce(self, text: str) -> None:
        """Print a line about the run, before its first step."""

    def watch(self, step: int) -> None:
        """Show the progress; called before the first step and after each step."""

    def report(self, record: dict[str, Any], checkpoint: Checkpoint | None) -> None:
        """Show a record of losses; if `checkpoint` is given, rank 0 writes it."""


def train(run: Run, context: Context, features: Path) -> nn.Module:
    """Train to the last step, from the latest checkpoint if there is one; return the final generator.

    features: the file of content weights that `stages.features` wrote.
    Raises TrainingError, DivergenceError.
    """
    settings = run.training
    torch.manual_seed(settings.seed)
    learner = _learner(run, context, features)
    checkpoint = Checkpoint(learner, Guard(run.guard, learner), run, [])
    if (latest := context.latest()) is not None:
        checkpoint.read(latest)
    context.announce(_beginning(learner, context.device))
    if (
        (most := learner.method.first_patches)
        and not learner.step
        and (found := learner.prepare(*context.samples(most)))
    ):
        context.announce(found)

    def saves(step: int) -> bool:
        return step % settings.checkpoint_every == 0 or step == settings.steps

    def due(step: int) -> bool:
        return step % settings.log_every == 0 or saves(step)

    batches = _batches(context, learner.step, settings.batch_size)
    records = training.train(
        learner, batches, checkpoint.guard, steps=settings.steps, due=due, watch=context.watch
    )
    for record in records:
        checkpoint.history.append(record)
        context.report(record, checkpoint if saves(learner.step) else None)
    if settings.steps == 0:  # the fitted initial transform is the model
        checkpoint.history.append({"step": 0})
        context.report({"step": 0}, checkpoint)
    return learner.generator


def _beginning(learner: Learner, device: torch.device) -> str:
    """Describe what the run does before its first step, and its precision."""
    kind = "bfloat16" if learner.bfloat16 else "float32"
    fits = learner.method.first_patches and not learner.step
    start = "fits the initial transform, then " if fits else ""
    slow = learner.bfloat16 and not is_fast(device.type)
    warning = "; float32 is much faster on this processor, set learner.precision: auto" if slow else ""
    return f"{start}computes in {kind}{warning}"


def _learner(run: Run, context: Context, features: Path) -> Learner:
    method = _method(run, features).to(context.device)
    steps, seed = run.training.steps, seed_of(run.training.seed, "worker", context.rank)
    try:
        learner = Learner(method, run.learner, context.wrap, context.gather, steps=steps, seed=seed)
    except ValueError as error:
        raise TrainingError(f"camera {run.camera}: {error}; correct its preset in params.yaml") from None
    chosen = torch.tensor([float(learner.bfloat16)], device=context.device)
    learner.bfloat16 = bool(context.gather(chosen).min())  # each worker has measured it; all must agree
    return learner


def _method(run: Run, features: Path) -> Method:
    content = getattr(run.method, "content", None)
    try:
        weights = read_weights(features, content) if content else None
        return build_method(run.method, size_px=run.picture_px, features=weights)
    except ValueError as error:
        raise TrainingError(f"camera {run.camera}: {error}; run `dvc repro` to fetch them again") from None


def _batches(context: Context, step: int, total: int) -> Iterator[Batch]:
    for pictures in context.batches(step):
        source, target, *rest = (photos_nchw(one, context.device) for one in pictures)
        yield Batch(source, target, total, whole=rest[0] if rest else None)
