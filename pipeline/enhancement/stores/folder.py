"""A folder, on this machine or on a file system that all nodes share."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from pipeline.enhancement.stores.store import Store, Stored
from pipeline.errors import EnhancementError
from pipeline.files import is_leftover, write_atomically

LEFTOVER_S = 3_600  # what a killed process was writing so long ago, nobody writes any more


class FolderStore:
    def __init__(self, address: str):
        self.path = Path(address).expanduser().absolute()
        self.address = str(address)

    def listing(self) -> Iterator[Stored]:
        for parent, folders, names in os.walk(self.path, onerror=self._refuse):
            folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
            for name in names:
                if not name.startswith("."):
                    path = Path(parent, name)
                    if path.is_file():
                        yield self._stored(path)

    def look(self, name: str) -> Stored | None:
        path = self.path / name
        return self._stored(path) if path.is_file() else None

    def open(self, name: str) -> BinaryIO:
        return open(self.path / name, "rb")

    def head(self, name: str, size_bytes: int) -> bytes:
        with open(self.path / name, "rb") as file:
            return file.read(size_bytes)

    def write(self, name: str, data: bytes | bytearray) -> str:
        path = self.path / name
        if os.path.normpath(name) != name or name.startswith(("/", "../")):  # a key may be anything
            raise EnhancementError(f"{name} is no place of its own below {self.address}; rename it")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
        return self._stored(path).version

    @contextmanager
    def room(self, size_bytes: int) -> Iterator[Callable[[], None]]:
        self.path.mkdir(parents=True, exist_ok=True)
        # Without a name it goes when its process does, however that dies.
        with TemporaryFile(dir=self.path) as held:
            held.write(os.urandom(size_bytes))  # zeros would take no room on some file systems
            held.flush()
            yield held.close

    def free_bytes(self) -> int | None:
        there = next(folder for folder in (self.path, *self.path.parents) if folder.exists())
        return shutil.disk_usage(there).free

    def name_in(self, other: Store) -> str | None:
        if not isinstance(other, FolderStore):
            return None
        inner, outer = self.path.resolve(), other.path.resolve()
        return inner.relative_to(outer).as_posix().strip(".") if inner.is_relative_to(outer) else None

    def sweep(self) -> None:
        """Remove what killed processes left half-written, but not what another may be writing now."""
        for parent, _, names in os.walk(self.path):
            for path in (Path(parent, name) for name in names if is_leftover(name)):
                if path.stat().st_mtime < time.time() - LEFTOVER_S:
                    path.unlink(missing_ok=True)

    def _refuse(self, error: OSError) -> None:
        # os.walk passes over what it may not read; photos would then be missing in silence.
        if not isinstance(error, FileNotFoundError):
            raise EnhancementError(f"{error.filename}: {error.strerror}; make it readable") from None

    def _stored(self, path: Path) -> Stored:
        facts = path.stat()
        version = f"{facts.st_size}-{facts.st_mtime_ns}"
        return Stored(name=path.relative_to(self.path).as_posix(), bytes=facts.st_size, version=version)
