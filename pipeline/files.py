"""Atomic writes, and file names that are valid on any machine."""

import os
import uuid
from collections.abc import Iterator
from itertools import count
from pathlib import Path, PurePosixPath

from pipeline.errors import PipelineError

PREFIX, SUFFIX = ".wespe-", ".part"
MAX_NAME_BYTES = 255  # limit of ext4, APFS, NTFS and exFAT


def write_atomically(path: Path, data: bytes | bytearray) -> None:
    """Write to a temporary file next to `path`, flush it to disk and rename it; safe with several writers."""
    part = path.with_name(f"{PREFIX}{uuid.uuid4().hex}{SUFFIX}")
    try:
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def expanded(path: str | Path) -> Path:
    """Expand `~` to the home folder. Raises PipelineError if the user has none."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise PipelineError(f"{path}: ~ is unknown, since this user has no home folder; set HOME") from None


def check_writable(folder: Path) -> None:
    """Check before a long job that files can be created in a folder, which may not exist yet.

    Raises PipelineError.
    """
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise PipelineError(f"{there}: is a file, not a folder; choose another folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PipelineError(
            f"{there}: is read-only for this user; change its permissions or choose another folder"
        )


def file_name(stem: str, ending: str) -> str:
    """Return stem + ending; a stem that is too long for file systems is truncated at a character boundary."""
    room = MAX_NAME_BYTES - len(os.fsencode(ending))
    return (
        os.fsencode(stem)[:room].decode(errors="ignore") + ending
        if len(os.fsencode(stem)) > room
        else stem + ending
    )


def numbered(name: str) -> Iterator[str]:
    """Yield photo.jpg, photo-2.jpg, photo-3.jpg …, each short enough for a file system."""
    path = PurePosixPath(name)
    for number in count(1):
        ending = f"-{number}{path.suffix}" if number > 1 else path.suffix
        fitting = file_name(path.stem, ending)
        yield name if fitting == path.name else name[: len(name) - len(path.name)] + fitting


def is_leftover(name: str) -> bool:
    """Tell by its name whether a file is an unfinished temporary file of a killed process."""
    return name.startswith(PREFIX) and name.endswith(SUFFIX)
