"""Write a file whole or not at all."""

import os
import uuid
from pathlib import Path

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


def is_leftover(name: str) -> bool:
    """Tell by the name what a process that was killed meanwhile had not finished."""
    return name.startswith(PREFIX) and name.endswith(SUFFIX)
