"""Measurements as aligned text."""

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

LIBRARIES = ("torch", "ray", "pyarrow", "numpy", "pillow")


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """A speed, and its ceiling on the same machine at the same time.

    start_s: time before the first result, which the speed excludes.
    """

    what: str
    unit: str
    speed: float
    ceiling: str
    ceiling_speed: float
    start_s: float | None = None

    @property
    def ratio(self) -> float:
        return self.speed / self.ceiling_speed


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A format for patches. size: relative to the raw pixels."""

    name: str
    mib: float
    size: float
    patches_per_s: float


def ratio_table(ratios: Sequence[Ratio]) -> str:
    """Format one line per ratio."""
    rows = [("what", "start", "speed", "ceiling", "its speed", "ratio")]
    for r in ratios:
        start = "" if r.start_s is None else f"{r.start_s:.1f} s"
        speeds = (f"{_short(r.speed)} {r.unit}/s", r.ceiling, f"{_short(r.ceiling_speed)} {r.unit}/s")
        rows.append((r.what, start, *speeds, f"{r.ratio:.2f}"))
    return _aligned(rows, left=(0, 3))


def layout_table(layouts: Sequence[Layout]) -> str:
    """Format one line per layout."""
    rows = [("patches stored as", "size", "of raw", "read on one thread")]
    rows += [
        (s.name, f"{s.mib:.1f} MiB", f"{s.size:.0%}", f"{_short(s.patches_per_s)} patches/s") for s in layouts
    ]
    return _aligned(rows, left=(0,))


def machine() -> str:
    """Describe cores, processor, GPU, load and versions, without identifying the machine or user."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    load = f"load {os.getloadavg()[0]:.1f} over the last minute"
    hardware = f"{os.cpu_count()} cores of {_processor()}, {gpu}"
    return f"{hardware}, {load}; Python {platform.python_version()}, {versions}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _short(value: float) -> str:
    """Three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


def _aligned(rows: Sequence[Sequence[str]], left: Sequence[int]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
