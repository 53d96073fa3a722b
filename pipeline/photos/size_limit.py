"""The size limit of photos, which depends on the free memory."""

import os
from pathlib import Path

from pipeline.errors import PhotoError

# For the photo before and after, and for decoders and encoders; per pixel of 8-bit colour.
BYTES_PER_PIXEL = 16
MOST_PIXELS = 2_000_000_000  # more than any camera; only malicious headers claim more


def require_memory(width: int, height: int, bits: int = 8) -> None:
    """Raise PhotoError if a photo of this size does not fit in the free memory."""
    pixels, wanted = width * height, width * height * BYTES_PER_PIXEL * (2 if bits > 8 else 1)
    free = available_bytes()
    if pixels > MOST_PIXELS or wanted > free:
        raise PhotoError(
            f"{pixels / 1e6:.0f} million pixels need about {wanted / 1e9:.1f} GB of memory, but only "
            f"{free / 1e9:.1f} GB are free; use --max-megapixels for a JPEG, or a smaller copy"
        )


def available_bytes() -> int:
    """Return the memory that this process may still use, limited by the system and its container."""
    return min(_of_system(), *_of_container())


def _of_system() -> int:
    for line in _lines("/proc/meminfo"):
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    try:  # macOS only reports the total; assume that half of it is free
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return 8 * 2**30


def _of_container() -> list[int]:
    """Return the free memory in control groups (version 2 and 1); [] without a limit."""
    left = []
    for limit, usage in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        numbers = [line.strip() for path in (limit, usage) for line in _lines(path)[:1]]
        if len(numbers) == 2 and all(number.isdigit() for number in numbers):
            left.append(max(0, int(numbers[0]) - int(numbers[1])))
    return left


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
