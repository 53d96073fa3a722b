"""A store in a folder, on this machine or on a file system shared by all nodes."""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from pipeline.enhancement.stores.store import Store, StoredFile
from pipeline.errors import EnhancementError
from pipeline.files import expanded, is_leftover, write_atomically

LEFTOVER_S = 3_600  # older unfinished files belong to killed processes
ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")


class FolderStore:
    """Files in a folder and its sub-folders. Names that are not UTF-8 are escaped, as in `caf\\xe9.jpg`."""

    def __init__(self, address: str):
        self.path = expanded(address).absolute()
        self.address = str(address)

    def listing(self) -> Iterator[StoredFile]:
        for parent, folders, names in os.walk(self.path, onerror=self._refuse):
            folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
            for name in names:
                if not name.startswith("."):
                    path = Path(parent, name)
                    if path.is_file():
                        yield self._stored(path)
                    elif path.is_symlink() and not path.exists():  # broken link: reading it reports an error
                        yield StoredFile(name=self._name(path), bytes=0, version="")

    def look(self, name: str) -> StoredFile | None:
        path = self._file(name)
        return self._stored(path) if path.is_file() else None

    def open(self, name: str) -> BinaryIO:
        return open(self._file(name), "rb")

    def head(self, name: str, size_bytes: int) -> bytes:
        with open(self._file(name), "rb") as file:
            return file.read(size_bytes)

    def write(self, name: str, data: bytes | bytearray, modified_s: float = 0.0) -> str:
        path = self.path / name
        if os.path.normpath(name) != name or name.startswith(("/", "../")):  # S3 keys may be any text
            raise EnhancementError(f"{name} is not a valid path below {self.address}; rename it")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
        if modified_s:
            os.utime(path, (modified_s, modified_s))
        return self._stored(path).version

    @contextmanager
    def room(self, size_bytes: int) -> Iterator[Callable[[], None]]:
        self.path.mkdir(parents=True, exist_ok=True)
        # The system deletes an unnamed file when its process ends, even if it is killed.
        with TemporaryFile(dir=self.path) as held:
            held.write(os.urandom(size_bytes))  # random, since some file systems compress zeros
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
        """Remove old unfinished files of killed processes; recent ones may be in use by another process."""
        for parent, _, names in os.walk(self.path):
            for path in (Path(parent, name) for name in names if is_leftover(name)):
                if path.stat().st_mtime < time.time() - LEFTOVER_S:
                    path.unlink(missing_ok=True)

    def _refuse(self, error: OSError) -> None:
        # By default, os.walk silently skips folders that it cannot read.
        if not isinstance(error, FileNotFoundError):
            raise EnhancementError(f"{error.filename}: {error.strerror}; change its permissions") from None

    def _stored(self, path: Path) -> StoredFile:
        facts = path.stat()
        version = f"{facts.st_size}-{facts.st_mtime_ns}"
        return StoredFile(
            name=self._name(path), bytes=facts.st_size, version=version, modified_s=facts.st_mtime
        )

    def place(self, name: str) -> str:
        return os.path.normpath(self.path / name)

    def _name(self, path: Path) -> str:
        return os.fsencode(path.relative_to(self.path)).decode(errors="backslashreplace").replace(os.sep, "/")

    def _file(self, name: str) -> Path:
        path = self.path / name
        if "\\x" not in name or path.exists():
            return path
        return self.path / os.fsdecode(
            ESCAPED.sub(lambda code: bytes.fromhex(code[1].decode()), name.encode())
        )
