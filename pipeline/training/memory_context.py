"""A training context in this process, with patches in memory and without Ray; for research and tests."""

import shutil
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pipeline.patches.groups import ArrayGroups
from pipeline.patches.sampling import draw_samples
from pipeline.patches.shards import WHOLE
from pipeline.patches.stream import Stream
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.progress import TrainingProgress
from pipeline.training.run import Run
from wespe.sample import Sample


class MemoryContext:
    """The only rank of a run. Its batches are the same as those from shards of the same patches.

    source, target: uint8 patches_nhwc, or reduced whole photos if the method learns from those; for a paired
        method, source[i] and target[i] show the same place.
    whole: reduced whole photos of both sets, uint8 (n, px, px, 3), for methods that need them.
    photos: ids of the photos of both sets' patches; None if each patch is from another photo.
    checkpoint: the folder to resume from and to write to; None disables checkpoints.
    """

    rank, workers = 0, 1

    def __init__(
        self,
        run: Run,
        source: np.ndarray,
        target: np.ndarray,
        *,
        whole: tuple[np.ndarray, np.ndarray] | None = None,
        photos: tuple[Sequence[str], Sequence[str]] | None = None,
        checkpoint: Path | None = None,
        device: str | torch.device = "cpu",
    ):
        first, second = photos or (None, None)
        groups = (
            [ArrayGroups(source, target, photos=first)]
            if run.paired
            else [ArrayGroups(source, photos=first), ArrayGroups(target, photos=second)]
        )
        self._groups = groups
        self._whole = [ArrayGroups(one) for one in whole] if whole and run.needs_whole else []
        self.device = torch.device(device)
        self._streams = [
            Stream(
                name=name, seed=run.training.seed, groups=one, rotates=not run.whole_photos and name != WHOLE
            )
            for name, one in zip(run.streams, [*groups, *self._whole[1:]], strict=False)
        ]
        self._batch_size = run.training.batch_size
        self._checkpoint = checkpoint
        self._progress = TrainingProgress(f"train {run.camera}", run.training.steps)

    def wrap(self, module: nn.Module) -> nn.Module:
        return module

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        return values[None]

    def batches(self, step: int) -> Iterator[tuple[torch.Tensor, ...]]:
        size = self._batch_size
        for parts in zip(*(stream.batches(step * size, size) for stream in self._streams), strict=True):
            yield tuple(map(torch.from_numpy, chain.from_iterable(parts)))

    def samples(self, most: int) -> tuple[Sample, Sample]:
        return draw_samples(self._groups, most, self.device, whole=self._whole)

    def latest(self) -> Path | None:
        return self._checkpoint if self._checkpoint and self._checkpoint.is_dir() else None

    def announce(self, text: str) -> None:
        self._progress.announce(text)

    def watch(self, step: int) -> None:
        self._progress.step(step)

    def report(self, record: dict[str, Any], checkpoint: Checkpoint | None) -> None:
        self._progress.record(record)
        if checkpoint and self._checkpoint:
            written = self._checkpoint.with_name(self._checkpoint.name + ".part")
            checkpoint.write(written)
            shutil.rmtree(self._checkpoint, ignore_errors=True)
            written.rename(self._checkpoint)
