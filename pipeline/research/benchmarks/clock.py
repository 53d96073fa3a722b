"""Timing on a shared machine: repeats, alternates with the ceiling, and takes the median."""

import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from itertools import islice

import torch


def seconds(work: Callable[[], object]) -> float:
    """Return the time of one call of `work`, including work queued on the GPU."""
    began = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def medians(repeats: int, measure: Callable[[], tuple[float, ...]]) -> tuple[float, ...]:
    """Repeat a measurement of several values and take the median of each.

    A measurement contains one run of ours and one of the ceiling, so that other load slows both.
    """
    return tuple(map(statistics.median, zip(*(measure() for _ in range(repeats)), strict=True)))


def steady_speed(arrived_s: Iterable[float], amount: float = 1) -> float:
    """Return results per second, times `amount`; the first quarter, while workers start, is ignored."""
    times = sorted(arrived_s)
    first = len(times) // 4
    return (len(times) - 1 - first) * amount / (times[-1] - times[first])


def cycle(groups: list, count: int) -> Iterator:
    """Return `count` groups, repeating them in order."""
    while count > 0:
        yield from islice(groups, count)
        count -= len(groups)


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the output of the measured parts; errors are still raised."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield
