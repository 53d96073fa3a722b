"""Write a file whole or not at all."""

import os
from pathlib import Path


def write_atomically(path: Path, data: bytes | bytearray) -> None:
    """Write to a temporary name beside `path`, flush to disk, rename."""
    part = path.with_name(f".{path.name}.part")
    try:
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
