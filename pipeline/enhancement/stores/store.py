"""What every store keeps to."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A file as a listing shows it.

    name: its path below the store, with `/`.
    version: changes when the content does; it is not the same in another store.
    """

    name: str
    bytes: int
    version: str


class Store(Protocol):
    """Files by name. Reading raises FileNotFoundError, OSError or EnhancementError."""

    address: str  # as a user writes it, without secrets

    def listing(self) -> Iterator[Stored]:
        """Yield every file, in any order; nothing where there is no such place. Hidden ones are left out."""

    def look(self, name: str) -> Stored | None: ...

    def open(self, name: str) -> BinaryIO:
        """The whole file, to be read and sought in."""

    def head(self, name: str, size_bytes: int) -> bytes:
        """The first bytes of a file."""

    def write(self, name: str, data: bytes | bytearray) -> str:
        """Write whole or not at all; returns the version."""

    def room(self, size_bytes: int) -> AbstractContextManager[Callable[[], None]]:
        """Hold room for what must be written even when nothing else can be; the call gives it free."""

    def free_bytes(self) -> int | None:
        """What can still be written; None where there is no limit."""

    def name_in(self, other: "Store") -> str | None:
        """The name of this place below the other, '' if it is the same; None if it does not lie there."""


def sha256_of(file: BinaryIO) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
