"""How much of a training's time it waits for the stream of its patches."""

from collections.abc import Iterator

import torch

from pipeline.benchmarks.clock import quiet
from pipeline.benchmarks.step import method
from pipeline.data.shards import Index
from pipeline.data.stream import batches, dataset, stream_of
from pipeline.params import Preset
from wespe.batch import Batch, photos_nchw
from wespe.guard import Guard, GuardConfig
from wespe.learner import Learner
from wespe.training import train


def measure_wait(index: Index, preset: Preset, batch_size: int, steps: int) -> float:
    """The share, once both streams have begun; the same patches stand for the camera's and the target's."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    learner = Learner(method(preset, index.size_px, device), preset.learner)
    with quiet():
        pairs = zip(*(_patches(index, name, batch_size, 2 * steps) for name in ("a", "b")), strict=True)
        given = (Batch(photos_nchw(a, device), photos_nchw(b, device), batch_size) for a, b in pairs)
        guard = Guard(GuardConfig(min_psnr_db=0), learner)
        *_, record = train(learner, given, guard, steps=2 * steps, due=lambda step: step == steps)
    return float(record["data_wait"])


def _patches(index: Index, name: str, batch_size: int, steps: int) -> Iterator[torch.Tensor]:
    stream = stream_of(index, "train", name=name, seed=1)
    rows = dataset(stream, first_row=0, rows=steps * batch_size).iterator()
    for [patches_nhwc] in batches(rows, batch_size=batch_size, size_px=index.size_px):
        yield patches_nhwc
