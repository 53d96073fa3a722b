"""The interface of all stores."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file in a listing.

    name: its path below the store, with `/`.
    version: changes with the content; differs between stores even for equal content.
    modified_s: since the Unix epoch; 0 if unknown.
    """

    name: str
    bytes: int
    version: str
    modified_s: float = 0.0


class Store(Protocol):
    """Files by name. Reading raises FileNotFoundError, OSError or EnhancementError."""

    address: str  # as the user wrote it, without secrets

    def listing(self) -> Iterator[StoredFile]:
        """Yield all files except hidden ones, in any order; nothing if the store does not exist."""

    def look(self, name: str) -> StoredFile | None: ...

    def open(self, name: str) -> BinaryIO:
        """Open the file for reading and seeking."""

    def head(self, name: str, size_bytes: int) -> bytes:
        """Return the first bytes of a file."""

    def write(self, name: str, data: bytes | bytearray, modified_s: float = 0.0) -> str:
        """Write the file atomically, with this date if the store supports dates; return the version."""

    def room(self, size_bytes: int) -> AbstractContextManager[Callable[[], None]]:
        """Reserve disk space for data to be written when the disk is full; the call releases it."""

    def free_bytes(self) -> int | None:
        """Return the free space; None without a limit."""

    def name_in(self, other: "Store") -> str | None:
        """Return the path of this store within the other; '' if they are the same, None if it is outside."""

    def place(self, name: str) -> str:
        """Return the file's absolute address, which is the same for all stores that contain it."""


def sha256_of(file: BinaryIO) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
