"""Keep memory from layer to layer: getting fresh pages for each layer takes as long as its arithmetic."""

import ctypes

# Names and numbers are those of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
NEVER = 2**31 - 1
# Allocations up to this size are kept: the features of a tile are, a large photo is returned when freed.
KEPT_BYTES = 192 * 2**20


def keep_freed() -> None:
    """Keep freed memory in this process for the next layer, until `give_back`. Affects only glibc.

    By default glibc returns every large tensor to the system, and gets it back page by page, zeroed. Threads
    share one arena, since arenas of their own cannot hold large tensors: call this before threads start.
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
    except (OSError, TypeError):  # Windows has no such library
        return None
