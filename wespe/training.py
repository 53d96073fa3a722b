"""The training loop, independent of any engine."""

import time
from collections.abc import Callable, Iterator

from wespe.batch import Batch
from wespe.guard import Guard
from wespe.learner import Learner

Record = dict[str, float | str]


def train(
    learner: Learner,
    batches: Iterator[Batch],
    guard: Guard,
    *,
    steps: int,
    due: Callable[[int], bool],
    watch: Callable[[int], None] = lambda step: None,
) -> Iterator[Record]:
    """Train from the learner's current step to `steps`; yield a record at each `due` step and at the last.

    watch: called with the step number, before the first step and after each step.

    A record holds the step, images per second, the share of time spent waiting for data, and the mean losses
    since the last record, or `rolled_back` with the reason. When a record is yielded, the weights have passed
    the guard and can be saved. Raises DivergenceError.
    """
    guard.remember()
    watch(learner.step)
    since, began, waited_s = learner.step, time.perf_counter(), 0.0
    while learner.step < steps:
        asked = time.perf_counter()
        batch = next(batches)
        waited_s += time.perf_counter() - asked
        learner.learn(batch)
        watch(learner.step)
        if not (due(learner.step) or learner.step == steps):
            continue
        figures = guard.read(last=learner.step == steps)  # waits for the device, so the time below is correct
        took_s = time.perf_counter() - began
        yield {
            "step": learner.step,
            "images_per_s": round((learner.step - since) * batch.total / took_s, 2),
            "data_wait": round(waited_s / took_s, 4),
            **figures,
        }
        since, began, waited_s = learner.step, time.perf_counter(), 0.0


def describe(record: Record) -> str:
    """Format a record as one line for the terminal."""
    if "rolled_back" in record:
        return f"rolled back: {record['rolled_back']}; learning rates × {record['slowed']:.3g}"
    figures = {k: v for k, v in record.items() if k not in ("step", "images_per_s", "data_wait")}
    return f"{record['images_per_s']:.3g} images/s  " + "  ".join(f"{k} {v:.3g}" for k, v in figures.items())
