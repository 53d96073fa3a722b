"""Write a file whole or not at all."""

import os
import uuid
from pathlib import Path

PREFIX, SUFFIX = ".wespe-", ".part"


def write_atomically(path: Path, data: bytes | bytearray) -> None:
    """Write to a temporary name beside `path`, flush to disk, rename. Two at once do not meet."""
    part = path.with_name(leftover_name())
    try:
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def leftover_name() -> str:
    """A name that nobody else takes, of a file that means nothing once its process is gone."""
    return f"{PREFIX}{uuid.uuid4().hex}{SUFFIX}"


def is_leftover(name: str) -> bool:
    """Tell such a name."""
    return name.startswith(PREFIX) and name.endswith(SUFFIX)
