"""Time on a machine that others use too: repeat, alternate with the ceiling, take the median."""

import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from itertools import islice

import torch


def seconds(work: Callable[[], object]) -> float:
    """Run `work` once; whatever it left to the GPU is part of it."""
    began = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def medians(repeats: int, measure: Callable[[], tuple[float, ...]]) -> tuple[float, ...]:
    """Repeat a measurement of several values and take the median of each.

    A measurement holds one run of ours and one of its ceiling: when the machine slows down, both do.
    """
    return tuple(map(statistics.median, zip(*(measure() for _ in range(repeats)), strict=True)))


def steady_speed(arrived_s: Iterable[float], amount: float = 1) -> float:
    """Results per second, times `amount`. The first quarter is left out: workers start, buffers fill."""
    times = sorted(arrived_s)
    first = len(times) // 4
    return (len(times) - 1 - first) * amount / (times[-1] - times[first])


def cycle(groups: list, count: int) -> Iterator:
    """The first `count` of groups, again and again."""
    while count > 0:
        yield from islice(groups, count)
        count -= len(groups)


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what the measured parts print; errors come through as exceptions."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield
