"""The interface of all sources of photos."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class PhotoFile:
    """One photo file on this machine. It belongs to the source: never change or move it."""

    name: str  # relative to the source, with forward slashes
    path: Path
    scene: str = ""  # photos of one scene all go to the same split; '' if it stands alone
    problem: str = ""  # why the source could not provide the file; `path` may then not exist


class Source(Protocol):
    """A frozen dataclass of settings; `kind` names the source in params.yaml."""

    def fetch(self, workspace: Path, label: str) -> Iterator[PhotoFile]:
        """Make all photos available locally, and yield them in a fixed order.

        workspace: a folder that persists after an interruption, so that the next run can resume.
        label: the start of progress lines.
        An unreadable photo is yielded with its `problem`. Raises: SourceError; the caller adds the photo set.
        """
