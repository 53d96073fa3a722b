"""The protocol of every source of photos."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class PhotoFile:
    """One photo file on this machine. It belongs to the source: read it, never change or move it."""

    name: str  # relative, with forward slashes, as the user knows it
    path: Path
    problem: str = ""  # why the source could not provide the file; there may be nothing at `path` then


class Source(Protocol):
    """A frozen dataclass of settings, told apart from others by its `kind`."""

    def fetch(self, workspace: Path, label: str) -> Iterator[PhotoFile]:
        """Make every photo available locally, and yield them in a fixed order.

        Files in `workspace` survive a kill, so that the next run can resume. `label` begins progress lines.
        One unreadable photo is yielded with its `problem`.
        Raises: SourceError, which says what is wrong and what to do; the caller adds which photo set it was.
        """
