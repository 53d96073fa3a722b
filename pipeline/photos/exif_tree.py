"""Copies EXIF and TIFF directories tag by tag; values keep their types and bytes."""

import struct
from dataclasses import dataclass

from PIL.ExifTags import GPSTAGS, TAGS

SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
NARROW = {
    16: (4, "Q", "I"),
    17: (9, "q", "i"),
    18: (13, "Q", "I"),
}  # BigTIFF's types, which EXIF does not have
EXIF, GPS, INTEROP, MAKER_NOTE = 0x8769, 0x8825, 0xA005, 0x927C
CHILDREN = {0: (EXIF, GPS), EXIF: (INTEROP,), GPS: (), INTEROP: ()}
MOST_ENTRIES = 4_096
NOTE_REACH = 50_000  # within this range a maker note keeps its offset: it often contains absolute offsets


@dataclass(frozen=True)
class Entry:
    """A tag's value. kind, count: as in TIFF 6.0. value: in the file's byte order. place: its old offset."""

    kind: int
    count: int
    value: bytes
    place: int = 0


Directory = dict[int, "Entry | Directory"]


@dataclass(frozen=True)
class Tree:
    """The first directory, including its sub-directories. order: byte order, `<` or `>`."""

    order: str
    tags: Directory

    def bytes_of(self, tag: int) -> bytes:
        """Return the value of a tag of the first directory; b'' if it is missing."""
        entry = self.tags.get(tag)
        return entry.value if isinstance(entry, Entry) else b""

    def number_of(self, tag: int, default: int = 0) -> int:
        entry = self.tags.get(tag)
        if not isinstance(entry, Entry) or entry.kind not in (3, 4) or not entry.value:
            return default
        return struct.unpack_from(self.order + ("H" if entry.kind == 3 else "I"), entry.value)[0]


def read_tree(data: bytes, skipped: frozenset[int] = frozenset()) -> Tree:
    """Read the first directory of an EXIF block, TIFF or BigTIFF. Raises ValueError if it is damaged."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
    if not order or len(data) < 8:
        raise ValueError("neither EXIF nor TIFF")
    reader = _Reader(data, order, big=data[2:4] in (b"+\0", b"\0+"))
    try:
        start = struct.unpack_from(order + ("Q" if reader.big else "I"), data, 8 if reader.big else 4)[0]
        return Tree(order, reader.directory(start, 0, skipped))
    except struct.error:
        raise ValueError("a damaged directory") from None


@dataclass(frozen=True)
class _Reader:
    data: bytes
    order: str
    big: bool

    def directory(self, start: int, name: int, skipped: frozenset[int]) -> Directory:
        count_size, entry_size = (8, 20) if self.big else (2, 12)
        [count] = struct.unpack_from(self.order + ("Q" if self.big else "H"), self.data, start)
        tags: Directory = {}
        most_bytes = len(self.data)  # in malicious files, all entries may point to the same bytes
        for number in range(min(count, MOST_ENTRIES)):
            place = start + count_size + number * entry_size
            if place + entry_size > len(self.data):
                break
            [tag] = struct.unpack_from(f"{self.order}H", self.data, place)
            entry = None if tag in skipped else self._entry(place, most_bytes)
            most_bytes -= len(entry.value) if entry else 0
            if entry and tag in CHILDREN[name]:
                tags[tag] = self._child(entry, tag)
            elif entry:
                tags[tag] = entry
        return tags

    def _entry(self, place: int, most_bytes: int) -> Entry | None:
        """Read an entry; None if its value is outside the file or of an unknown type."""
        kind, count = struct.unpack_from(f"{self.order}H{'Q' if self.big else 'I'}", self.data, place + 2)
        inline, at = (8, place + 12) if self.big else (4, place + 8)
        size = SIZES.get(kind, 0) * count
        if not size or size > most_bytes:
            return None
        if size > inline:
            [at] = struct.unpack_from(self.order + ("Q" if self.big else "I"), self.data, at)
        value = bytes(self.data[at : at + size])
        if len(value) < size:
            return None
        if kind in NARROW:
            kind, wide, narrow = NARROW[kind]
            numbers = struct.unpack(f"{self.order}{count}{wide}", value)
            value = struct.pack(f"{self.order}{count}{narrow}", *(min(n, 2**31 - 1) for n in numbers))
        return Entry(kind, count, value, at)

    def _child(self, entry: Entry, tag: int) -> Directory:
        try:
            return self.directory(struct.unpack_from(f"{self.order}I", entry.value)[0], tag, frozenset())
        except struct.error:
            return {}


def packed(tree: Tree) -> bytes:
    """Write a tree as a classic EXIF block."""
    data = bytearray((b"II*\0" if tree.order == "<" else b"MM\0*") + bytes(4))
    details = tree.tags.get(EXIF)
    note = details.get(MAKER_NOTE) if isinstance(details, dict) else None
    if isinstance(note, Entry) and note.place >= 8 and note.place + len(note.value) <= NOTE_REACH:
        data += bytes(note.place - 8) + note.value
    else:
        note = None
    start = _append(data, tree.order, tree.tags, note)
    struct.pack_into(f"{tree.order}I", data, 4, start)
    return bytes(data)


def _append(data: bytearray, order: str, tags: Directory, note: Entry | None) -> int:
    """Append values and sub-directories, then the directory; return its offset."""
    entries = b""
    for tag, entry in sorted(tags.items()):
        if isinstance(entry, dict):
            field = struct.pack(f"{order}HII", 4, 1, _append(data, order, entry, note))
        else:
            field = struct.pack(f"{order}HI", entry.kind, entry.count) + _place(data, order, entry, note)
        entries += struct.pack(f"{order}H", tag) + field
    data += bytes(len(data) % 2)
    start = len(data)
    data += struct.pack(f"{order}H", len(tags)) + entries + bytes(4)
    return start


def _place(data: bytearray, order: str, entry: Entry, note: Entry | None) -> bytes:
    """Return the last four bytes of an entry: a small value, or the offset of its value."""
    if len(entry.value) <= 4:
        return entry.value.ljust(4, b"\0")
    if entry is note:
        return struct.pack(f"{order}I", entry.place)
    data += bytes(len(data) % 2)
    data += entry.value
    return struct.pack(f"{order}I", len(data) - len(entry.value))


def fitted(block: bytes, most_bytes: int) -> tuple[bytes, list[str]]:
    """Remove the largest values until the block fits in `most_bytes`; return it and their names.

    Raises ValueError if it is damaged.
    """
    lost: list[str] = []
    if len(block) <= most_bytes:
        return block, lost
    tree = read_tree(block)
    while len(smaller := packed(tree)) > most_bytes:
        directory, tag = _largest(tree.tags)
        del directory[tag]
        lost.append(_name(directory is tree.tags.get(GPS), tag))
    return smaller, lost


def _largest(tags: Directory) -> tuple[Directory, int]:
    def values(directory: Directory) -> list[tuple[int, Directory, int]]:
        found = []
        for tag, entry in directory.items():
            found += values(entry) if isinstance(entry, dict) else [(len(entry.value), directory, tag)]
        return found

    _, directory, tag = max(values(tags), key=lambda one: (one[0], one[2]))
    return directory, tag


def _name(is_gps: bool, tag: int) -> str:
    return str((GPSTAGS if is_gps else TAGS).get(tag, f"tag {tag}"))
