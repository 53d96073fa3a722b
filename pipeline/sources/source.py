"""What every source of photos keeps to."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Found:
    """One photo file on this machine. It belongs to the source: read it, never change or move it."""

    name: str  # relative, with forward slashes, as the user knows it
    path: Path


class Source(Protocol):
    """A frozen dataclass of settings with a `kind` of its own, and the way to the photos."""

    def fetch(self, workspace: Path, label: str) -> Iterator[Found]:
        """Make every photo available locally, and yield them in a fixed order.

        What is kept in `workspace` survives a kill, for the next try. `label` begins progress lines.
        Raises: SourceError, which says what is wrong and what to do; the caller adds which photo set it was.
        """
