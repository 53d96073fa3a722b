"""Edits an EXIF block in place: everything else, including maker notes, keeps its bytes and offsets.

A block is a small TIFF file, so a TIFF photo is a block with pixels and tags that describe them.
"""

import struct
from typing import Literal

EMPTY = b"II*\0\x08\0\0\0" + bytes(6)
PREFIX = b"Exif\0\0"
ORIENTATION, SOFTWARE, EXIF_IFD = 0x0112, 0x0131, 0x8769
UPRIGHT = 1
PIXEL_X, PIXEL_Y = 0xA002, 0xA003
COMPRESSION, THUMBNAIL, THUMBNAIL_BYTES = 0x0103, 0x0201, 0x0202
KINDS = {"ascii": (2, 1), "short": (3, 2), "long": (4, 4), "rational": (5, 8), "undefined": (7, 1)}
Kind = Literal["ascii", "short", "long", "rational", "undefined"]
Directory = dict[int, bytes]  # tag → its entry of 12 bytes


class ExifBlock:
    """Reads, sets and removes tags of the first directory; `finished` returns the new block.

    Raises ValueError if the bytes are not an EXIF block.
    """

    def __init__(self, data: bytes = EMPTY):
        data = data.removeprefix(PREFIX)
        self.order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4], "")
        if not self.order:
            raise ValueError("not an EXIF block")
        self.data = bytearray(data)
        try:
            start = self._unpack("I", 4)[0]
            self.tags, following = self._directory(start)
            thumbnail = self._directory(following)[0] if following else {}
            self.had_thumbnail = THUMBNAIL in thumbnail
            self._forget(start, following, thumbnail)
        except struct.error:
            raise ValueError("a damaged EXIF block") from None

    def text(self, tag: int) -> str:
        """Return a tag's text, UTF-8 or Latin-1; '' if it is missing."""
        raw = self.value(tag).split(b"\0")[0] if tag in self.tags else b""
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return raw.decode("latin-1")

    def value(self, tag: int) -> bytes:
        """Return the raw value of a tag of type bytes or text; b'' if it is missing."""
        entry = self.tags.get(tag, bytes(12))
        size = struct.unpack_from(f"{self.order}I", entry, 4)[0]
        place = struct.unpack_from(f"{self.order}I", entry, 8)[0]
        return entry[8 : 8 + size] if size <= 4 else bytes(self.data[place : place + size])

    def set(self, tag: int, kind: Kind, *values: int | bytes | str) -> None:
        """Set a tag to a text, bytes, or numbers; a rational consists of two numbers."""
        code, size = KINDS[kind]
        if kind in ("ascii", "undefined"):
            [value] = values
            packed = value.encode() + b"\0" if isinstance(value, str) else bytes(value)  # type: ignore[arg-type]
        else:
            packed = struct.pack(f"{self.order}{len(values)}{'H' if kind == 'short' else 'I'}", *values)
        place = packed.ljust(4, b"\0")
        if len(packed) > 4:
            place = struct.pack(f"{self.order}I", self.append(packed))
        self.tags[tag] = struct.pack(f"{self.order}HHI", tag, code, len(packed) // size) + place

    def append(self, data: bytes) -> int:
        """Append bytes; return their offset."""
        self.data += bytes(len(self.data) % 2)
        self.data += data
        return len(self.data) - len(data)

    def set_size(self, width: int, height: int) -> None:
        """Update the size in the Exif directory, if it has one."""
        if EXIF_IFD not in self.tags:
            return
        start = struct.unpack_from(f"{self.order}I", self.tags[EXIF_IFD], 8)[0]
        count = self._unpack("H", start)[0]
        for place in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = self._unpack("HH", place)
            if tag in (PIXEL_X, PIXEL_Y) and kind in (3, 4):
                size = width if tag == PIXEL_X else height
                struct.pack_into(self.order + ("H" if kind == 3 else "I"), self.data, place + 8, size)

    def remove_details(self, *removed: int) -> None:
        """Remove tags from the Exif directory; the values of other tags keep their offsets."""
        if EXIF_IFD not in self.tags:
            return
        start = struct.unpack_from(f"{self.order}I", self.tags[EXIF_IFD], 8)[0]
        tags, following = self._directory(start)
        kept = {tag: entry for tag, entry in tags.items() if tag not in removed}
        if len(kept) < len(tags):
            directory = self._packed(kept, following)
            self.data[start : start + len(directory)] = directory

    def finished(self, thumbnail: bytes = b"") -> bytearray:
        """Return the new block, with a thumbnail (JPEG) if given."""
        following = self._thumbnail_directory(thumbnail) if thumbnail else 0
        directory = self._packed(self.tags, following)
        start, size = self._freed
        if len(directory) <= size:  # reuse the space: JPEG supports 64 KB, and some cameras use all of it
            self.data[start : start + len(directory)] = directory
        else:
            start = self.append(directory)
        struct.pack_into(f"{self.order}I", self.data, 4, start)
        return self.data

    def _thumbnail_directory(self, thumbnail: bytes) -> int:
        kept, self.tags = self.tags, {}
        self.set(COMPRESSION, "short", 6)
        self.set(THUMBNAIL, "long", self.append(thumbnail))
        self.set(THUMBNAIL_BYTES, "long", len(thumbnail))
        directory, self.tags = self.tags, kept
        return self.append(self._packed(directory, 0))

    def _packed(self, tags: Directory, following: int) -> bytes:
        entries = b"".join(tags[tag] for tag in sorted(tags))
        count, end = struct.pack(f"{self.order}H", len(tags)), struct.pack(f"{self.order}I", following)
        return count + entries + end

    def _directory(self, start: int) -> tuple[Directory, int]:
        count = self._unpack("H", start)[0]
        tags = {}
        for place in range(start + 2, start + 2 + 12 * count, 12):
            tags[self._unpack("H", place)[0]] = bytes(self.data[place : place + 12])
        end = start + 2 + 12 * count
        return tags, self._unpack("I", end)[0] if end + 4 <= len(self.data) else 0

    def _forget(self, start: int, following: int, thumbnail: Directory) -> None:
        """Clear the first directory, which `finished` writes again, and the old thumbnail."""
        self._freed = start, min(2 + 12 * len(self.tags) + 4, len(self.data) - start)
        self._blank(*self._freed)
        if not self.had_thumbnail or THUMBNAIL_BYTES not in thumbnail:
            return
        place, size = (
            struct.unpack_from(f"{self.order}I", thumbnail[tag], 8)[0] for tag in (THUMBNAIL, THUMBNAIL_BYTES)
        )
        self._blank(place, size)
        if place + size >= len(self.data) - 1 and place > following >= 8:
            del self.data[place:]

    def _blank(self, place: int, size: int) -> None:
        if place < 8:  # within the header; only in malicious blocks
            return
        size = max(0, min(size, len(self.data) - place))
        self.data[place : place + size] = bytes(size)

    def _unpack(self, layout: str, place: int) -> tuple[int, ...]:
        return struct.unpack_from(self.order + layout, self.data, place)
