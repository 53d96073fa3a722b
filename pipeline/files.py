"""Write a file whole or not at all."""

import os
import uuid
from pathlib import Path

PREFIX, SUFFIX = ".wespe-", ".part"


def write_atomically(path: Path, data: bytes | bytearray) -> None:
    """Write to a temporary file beside `path`, flush it to disk, rename it; safe for several writers."""
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
    """Whether a file's name is that of a temporary file, which a killed process may have left behind."""
    return name.startswith(PREFIX) and name.endswith(SUFFIX)
