"""What a batch job has finished, one JSON line per photo, so that a killed job goes on where it was."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What became of one photo; `photo` is its path relative to the source folder."""

    photo: str
    content_sha256: str
    model_sha256: str
    status: Literal["done", "failed"]
    reason: str = ""
    settings: str = ""  # all that changes the result beside the model; '' in lines of earlier versions


class Ledger:
    """A JSON-lines file that only grows; the last line of a photo is the one that counts."""

    def __init__(self, path: Path):
        self.path = path
        self._entries = {entry.photo: entry for entry in _read(path)}

    def get(self, photo: str) -> Entry | None:
        return self._entries.get(photo)

    def append(self, entry: Entry) -> None:
        """Put one line on disk: after this, the entry survives a kill."""
        line = json.dumps(asdict(entry)).encode() + b"\n"
        with open(self.path, "ab+") as file:
            file.write(line if _ends_whole(file) else b"\n" + line)
            file.flush()
            os.fsync(file.fileno())
        self._entries[entry.photo] = entry


def _read(path: Path) -> Iterator[Entry]:
    """Yield the whole lines; one torn by a kill is left out, and its photo is done again."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    for line in lines:
        try:
            yield Entry(**json.loads(line))
        except (ValueError, TypeError):
            continue


def _ends_whole(file) -> bool:
    """Whether the next line may follow directly: the file is empty, or its last line was not torn."""
    if not file.seek(0, os.SEEK_END):
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"
