"""Memory that a process keeps from layer to layer: fresh pages for each take as long as its arithmetic."""

import ctypes

# Names and numbers are those of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
NEVER = 2**31 - 1
# The features of a tile are kept; a large photo is not among them, and goes back as soon as it is freed.
KEPT_BYTES = 192 * 2**20


def keep_freed() -> None:
    """Keep what is freed for the next layer, in this process, until `give_back`. Only glibc needs to be told.

    By itself glibc returns every large tensor to the system, and gets it again page by page, full of zeros.
    Threads share one arena, since those of their own hold no large tensors: call this before they start.
    """
    if mallopt := _of_glibc("mallopt"):
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(M_TRIM_THRESHOLD, NEVER)


def give_back() -> None:
    """Return to the system all that is free."""
    if malloc_trim := _of_glibc("malloc_trim"):
        malloc_trim(0)


def _of_glibc(name: str) -> "ctypes._NamedFuncPointer | None":
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):  # Windows has no such library
        return None
