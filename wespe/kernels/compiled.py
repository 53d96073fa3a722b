"""Whether and how compiled passes run: numba may be missing, and they share torch's number of threads."""

import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from itertools import pairwise
from types import ModuleType

import numpy as np
import torch

LEAST_ROWS = 16  # per thread


@cache
def passes() -> ModuleType | None:
    """Return the compiled passes; without numba None, with a warning: the reference computes the same.

    numba raises RuntimeError if it finds no folder for what it compiles.
    """
    try:
        from wespe.kernels import passes as compiled
    except (ImportError, RuntimeError) as error:
        warnings.warn(f"photos take about three times as long without numba: {error}", stacklevel=2)
        return None
    return compiled


def suits(photos_nchw: torch.Tensor) -> bool:
    """Tell whether passes can be used: one float32 photo on a CPU, without gradients or tracing."""
    return (
        type(photos_nchw) is torch.Tensor
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and photos_nchw.device.type == "cpu"
        and photos_nchw.dtype == torch.float32
        and len(photos_nchw) == 1
        and passes() is not None
    )


def on_rows(height: int, least: int = LEAST_ROWS) -> Callable:
    """Return a function that runs a pass on all rows, divided among threads with at least `least` each."""
    threads = max(1, min(torch.get_num_threads(), height // least))
    bounds = [round(height * part / threads) for part in range(threads + 1)]

    def prepared(run: Callable, *read: np.ndarray) -> Callable[..., None]:
        def on_all(*rest: object) -> None:
            if threads == 1:
                run(*read, 0, height, *rest)
                return
            pool = _pool(torch.get_num_threads(), os.getpid())
            parts = [pool.submit(run, *read, start, end, *rest) for start, end in pairwise(bounds)]
            for part in parts:
                part.result()

        return on_all

    return prepared


@lru_cache(maxsize=1)
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Return a pool of this process: a forked one has no threads."""
    return ThreadPoolExecutor(threads, thread_name_prefix="wespe-kernels")
