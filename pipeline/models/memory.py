"""Keeps freed memory for the next layer: getting new pages takes as long as a layer's arithmetic."""

import ctypes

# Names and numbers from glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
NEVER = 2**31 - 1
# Allocations up to this size are kept, such as features of a tile; a large photo is returned when freed.
KEPT_BYTES = 192 * 2**20


def keep_freed() -> None:
    """Keep freed memory in this process until `give_back`. Only has an effect with glibc.

    By default, glibc returns every large tensor to the system, and gets zeroed pages for the next one. All
    threads share one arena, since per-thread arenas cannot hold large tensors: call this before starting
    threads.
    """
    if mallopt := _of_glibc("mallopt"):
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(M_TRIM_THRESHOLD, NEVER)


def give_back() -> None:
    """Return all free memory to the system."""
    if malloc_trim := _of_glibc("malloc_trim"):
        malloc_trim(0)


def _of_glibc(name: str) -> "ctypes._NamedFuncPointer | None":
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):  # not available on Windows
        return None
