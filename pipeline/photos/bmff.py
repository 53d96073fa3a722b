"""Reads boxes of the ISO base media file format (ISO/IEC 14496-12, 23008-12): AVIF, HEIF, CR3, JPEG XL."""

import struct
from collections.abc import Iterator


def brands(data: bytes) -> set[bytes]:
    """Return a file's major and compatible brands; an empty set for other formats."""
    if data[4:8] != b"ftyp":
        return set()
    listed = data[16 : min(int.from_bytes(data[:4], "big"), 1024)]
    return {data[8:12]} | {listed[place : place + 4] for place in range(0, len(listed), 4)}


def code_points(data: bytes) -> tuple[int, int] | None:
    """Return colour primaries and transfer of the main picture (`colr` of type nclx), or None."""
    for kind, content in _properties(data):
        if kind == b"colr" and content[:4] == b"nclx" and len(content) >= 10:
            primaries, transfer = struct.unpack_from(">HH", content, 4)
            return primaries, transfer
    return None


def bits(data: bytes) -> int:
    """Return the bits per sample of the main picture; 8 if not specified."""
    for kind, content in _properties(data):
        if kind == b"pixi" and len(content) > 5:
            return max(content[5:])
    return 8


def exif(data: bytes) -> bytes:
    """Return the EXIF block, byte for byte; b'' if there is none."""
    try:
        meta = dict(boxes(dict(boxes(data))[b"meta"][4:]))
        places = _places(meta[b"iloc"], _items(meta[b"iinf"], b"Exif"))
    except (KeyError, IndexError, struct.error):
        return b""
    content = b"".join(data[start : start + size] for start, size in places)
    # The first four bytes are the offset of the block (23008-12, annex A).
    return content[4 + int.from_bytes(content[:4], "big") :] if len(content) > 4 else b""


def _items(content: bytes, wanted: bytes) -> set[int]:
    """Return the numbers of all items of a type."""
    found = set()
    for _, entry in boxes(content[6 if content[0] == 0 else 8 :]):
        layout = ">HH4s" if entry[0] == 2 else ">IH4s"
        item, _, kind = struct.unpack_from(layout, entry, 4)
        if kind == wanted:
            found.add(item)
    return found


def _places(content: bytes, wanted: set[int]) -> list[tuple[int, int]]:
    """Return the extents (start, size) of the first of these items in the file."""
    version, sizes = content[0], content[4:6]
    offset_size, length_size = sizes[0] >> 4, sizes[0] & 15
    base_size, index_size = sizes[1] >> 4, sizes[1] & 15 if version else 0
    wide, place = version == 2, 6

    def number(size: int) -> int:
        nonlocal place
        place += size
        return int.from_bytes(content[place - size : place], "big")

    for _ in range(number(4 if wide else 2)):
        item, method = number(4 if wide else 2), number(2) & 15 if version else 0
        number(2)  # data reference index
        base, extents = number(base_size), []
        for _ in range(number(2)):
            number(index_size)
            extents.append((base + number(offset_size), number(length_size)))
        if item in wanted and method == 0:
            return extents
    return []


def _properties(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return the properties of the main picture; [] if the file is damaged."""
    try:
        meta = dict(boxes(dict(boxes(data))[b"meta"][4:]))
        primary = meta[b"pitm"]
        item = int.from_bytes(primary[4:6] if primary[0] == 0 else primary[4:8], "big")
        parts = dict(boxes(meta[b"iprp"]))
        listed = list(boxes(parts[b"ipco"]))
        return [
            listed[number - 1] for number in _associated(parts[b"ipma"], item) if 0 < number <= len(listed)
        ]
    except (KeyError, IndexError, struct.error):
        return []


def _associated(content: bytes, wanted: int) -> list[int]:
    """Return the numbers of an item's properties, starting at 1."""
    wide_item, wide_number = content[0] > 0, content[3] & 1
    [count], place = struct.unpack_from(">I", content, 4), 8
    for _ in range(count):
        [item] = struct.unpack_from(">I" if wide_item else ">H", content, place)
        place += 4 if wide_item else 2
        size, layout, mask = (2, ">H", 0x7FFF) if wide_number else (1, ">B", 0x7F)
        numbers = [
            struct.unpack_from(layout, content, place + 1 + size * n)[0] & mask for n in range(content[place])
        ]
        if item == wanted:
            return numbers
        place += 1 + size * len(numbers)
    return []


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the boxes (kind, content) of a file or of a box; stop where they are damaged."""
    place = 0
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        start = place + 8
        if size == 1 and place + 16 <= len(data):
            size, start = int.from_bytes(data[place + 8 : place + 16], "big"), place + 16
        end = len(data) if size == 0 else place + size
        if end <= place or end < start:
            return
        yield kind, data[start:end]
        place = end
