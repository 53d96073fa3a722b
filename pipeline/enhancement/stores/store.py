"""The protocol of every store."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A file as a listing shows it.

    name: its path below the store, with `/`.
    version: changes when the content does; another store gives the same content another one.
    modified_s: since the Unix epoch; 0 if unknown.
    """

    name: str
    bytes: int
    version: str
    modified_s: float = 0.0


class Store(Protocol):
    """Files by name. Reading raises FileNotFoundError, OSError or EnhancementError."""

    address: str  # as the user wrote it, without secrets

    def listing(self) -> Iterator[Stored]:
        """Yield every file but hidden ones, in any order; nothing if the place does not exist."""

    def look(self, name: str) -> Stored | None: ...

    def open(self, name: str) -> BinaryIO:
        """The whole file, open for reading and seeking."""

    def head(self, name: str, size_bytes: int) -> bytes:
        """The first bytes of a file."""

    def write(self, name: str, data: bytes | bytearray, modified_s: float = 0.0) -> str:
        """Write whole or not at all, with this date where the store keeps dates; returns the version."""

    def room(self, size_bytes: int) -> AbstractContextManager[Callable[[], None]]:
        """Reserve room for what must still be written when the disk is full; the call releases it."""

    def free_bytes(self) -> int | None:
        """How much can still be written; None without a limit."""

    def name_in(self, other: "Store") -> str | None:
        """The name of this place below the other, '' if it is the same; None if it is elsewhere."""

    def place(self, name: str) -> str:
        """The file's absolute address, the same whichever store it is seen from."""


def sha256_of(file: BinaryIO) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
