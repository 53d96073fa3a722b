"""Timing on a shared machine: repeat, alternate with the ceiling, take the median."""

import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from itertools import islice

import torch


def seconds(work: Callable[[], object]) -> float:
    """The time of one call of `work`, including what it has queued on the GPU."""
    began = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def medians(repeats: int, measure: Callable[[], tuple[float, ...]]) -> tuple[float, ...]:
    """Repeat a measurement of several values and take the median of each.

    A measurement has one run of ours and one of its ceiling, so that a busy machine slows both.
    """
    return tuple(map(statistics.median, zip(*(measure() for _ in range(repeats)), strict=True)))


def steady_speed(arrived_s: Iterable[float], amount: float = 1) -> float:
    """Results per second, times `amount`, without the first quarter, while workers start and buffers fill."""
    times = sorted(arrived_s)
    first = len(times) // 4
    return (len(times) - 1 - first) * amount / (times[-1] - times[first])


def cycle(groups: list, count: int) -> Iterator:
    """`count` groups, repeated in order."""
    while count > 0:
        yield from islice(groups, count)
        count -= len(groups)


@contextmanager
def quiet() -> Iterator[None]:
    """Discard what the measured parts print; errors are still raised."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield
