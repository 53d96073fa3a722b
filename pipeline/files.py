"""Paths and files of any machine: written whole or not at all."""

import os
import uuid
from pathlib import Path
from tempfile import TemporaryFile

from pipeline.errors import PipelineError

PREFIX, SUFFIX = ".wespe-", ".part"


def write_atomically(path: Path, data: bytes | bytearray) -> None:
    """Write to a temporary name beside `path`, flush to disk, rename. Two at once do not meet."""
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
    """The path with `~` as the home folder. Raises PipelineError where the user has no home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise PipelineError(f"{path}: ~ is unknown, since this user has no home folder; set HOME") from None


def check_writable(folder: Path) -> None:
    """Create the folder and try to write in it, before work that takes long. Raises PipelineError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder, prefix=PREFIX, suffix=SUFFIX):
            pass
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise PipelineError(f"{folder}: cannot be written ({reason}); name another place") from None


def is_leftover(name: str) -> bool:
    """Tell by its name whether a file is an unfinished one of a process that was killed."""
    return name.startswith(PREFIX) and name.endswith(SUFFIX)
