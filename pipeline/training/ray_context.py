"""The training context in a Ray Train worker."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch
import torch.distributed
from ray.util.queue import Queue
from torch import nn

from pipeline.patches.dataset import batches
from pipeline.patches.groups import Groups
from pipeline.patches.sampling import draw_samples
from pipeline.patches.settings import WHOLE_PX
from pipeline.patches.shards import WHOLE
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.run import Run
from wespe.sample import Sample

WATCH_EVERY_S = 1.0


class RayContext:
    """One worker of a run.

    groups: the patches of each of the run's streams, for samples. whole: whole photos of both sets, if the
        method needs them.
    messages: queue for rank 0's progress messages: a method of TrainingProgress and its argument. None drops
        them.
    """

    def __init__(
        self,
        run: Run,
        groups: Sequence[Groups],
        messages: Queue | None = None,
        *,
        whole: Sequence[Groups] = (),
    ):
        context = ray.train.get_context()
        self.rank, self.workers = context.get_world_rank(), context.get_world_size()
        self.device = ray.train.torch.get_device()
        self._run, self._groups, self._whole = run, groups, whole
        self._messages = messages if self.rank == 0 else None
        self._watched, self._watch_at = 0, 0.0
        self._open = ExitStack()

    def wrap(self, module: nn.Module) -> nn.Module:
        return ray.train.torch.prepare_model(module)

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        if self.workers == 1:
            return values[None]
        everyone = [torch.empty_like(values) for _ in range(self.workers)]
        torch.distributed.all_gather(everyone, values)
        return torch.stack(everyone)

    def batches(self, step: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """Yield this worker's batches. The datasets start at the latest checkpoint's step."""
        size = self._run.training.batch_size // self.workers
        streams = [
            batches(ray.train.get_dataset_shard(name), batch_size=size, size_px=self._size_px(name))
            for name in self._run.streams
        ]
        for parts in zip(*streams, strict=False):
            pictures = tuple(chain.from_iterable(parts))
            if self.device.type == "cuda":  # copies from pinned memory are asynchronous
                pictures = tuple(one.pin_memory() for one in pictures)
            yield pictures

    def _size_px(self, stream: str) -> int:
        return WHOLE_PX if stream == WHOLE else self._run.picture_px

    def samples(self, most: int) -> tuple[Sample, Sample]:
        """Read the same samples on every worker."""
        return draw_samples(self._groups, most, self.device, whole=self._whole)

    def latest(self) -> Path | None:
        checkpoint = ray.train.get_checkpoint()
        return Path(self._open.enter_context(checkpoint.as_directory())) if checkpoint else None

    def announce(self, text: str) -> None:
        if self._messages is not None:
            self._messages.put(("announce", text))

    def watch(self, step: int) -> None:
        """Send the start and the first step immediately, later steps once per second."""
        now = time.monotonic()
        if self._messages is not None and (self._watched < 2 or now >= self._watch_at):
            self._watched, self._watch_at = self._watched + 1, now + WATCH_EVERY_S
            self._messages.put(("step", step))

    def report(self, record: dict[str, Any], checkpoint: Checkpoint | None) -> None:
        """Show the losses; rank 0 writes the checkpoint. All workers must report, since Ray waits for all."""
        if self._messages is not None:
            self._messages.put(("record", record))
        if checkpoint is None:
            return
        with tempfile.TemporaryDirectory() as folder:
            written = None
            if self.rank == 0:
                checkpoint.write(Path(folder))
                written = ray.train.Checkpoint.from_directory(folder)
            ray.train.report(record, checkpoint=written)
