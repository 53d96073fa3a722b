"""A rank's surroundings, by Ray Train."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch
import torch.distributed
from torch import nn

from pipeline.patches.stream import batches
from pipeline.training.rank import Learned


class RayContext:
    """The worker's Context inside a Ray Train worker."""

    def __init__(self, *, batch_size: int, size_px: int, paired: bool = False):
        context = ray.train.get_context()
        self.rank, self.workers = context.get_world_rank(), context.get_world_size()
        self.device = ray.train.torch.get_device()
        self._batch_size, self._size_px = batch_size, size_px
        self._datasets = ("pairs",) if paired else ("source", "target")
        self._open = ExitStack()

    def wrap(self, module: nn.Module) -> nn.Module:
        return ray.train.torch.prepare_model(module)

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        if self.workers == 1:
            return values[None]
        everyone = [torch.empty_like(values) for _ in range(self.workers)]
        torch.distributed.all_gather(everyone, values)
        return torch.stack(everyone)

    def batches(self, step: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The driver made the datasets begin at the latest checkpoint's step; pairs bring their truth."""
        size = self._batch_size // self.workers
        streams = [
            batches(ray.train.get_dataset_shard(name), batch_size=size, size_px=self._size_px)
            for name in self._datasets
        ]
        for parts in zip(*streams, strict=False):
            source, target = chain.from_iterable(parts)
            if self.device.type == "cuda":  # from pinned memory the copy to the device need not wait
                source, target = source.pin_memory(), target.pin_memory()
            yield source, target

    def latest(self) -> Path | None:
        checkpoint = ray.train.get_checkpoint()
        return Path(self._open.enter_context(checkpoint.as_directory())) if checkpoint else None

    def report(self, record: dict[str, Any], write: Learned | None) -> None:
        with tempfile.TemporaryDirectory() as folder:
            if write is not None and self.rank == 0:
                write.write(Path(folder))
                ray.train.report(record, checkpoint=ray.train.Checkpoint.from_directory(folder))
            else:
                ray.train.report(record)
