"""Photoshop's image resources, in which JPEG and TIFF keep IPTC."""

import struct
from collections.abc import Iterator

SEGMENT = b"Photoshop 3.0\0"  # before resources in a JPEG; a long block goes on in further segments
IPTC = 0x0404
THUMBNAILS = (0x0409, 0x040C)


def without_thumbnail(resources: bytes) -> bytes:
    """Leave out the thumbnail, which shows the photo as it was. What is damaged stays as it is."""
    try:
        parts = list(_parts(resources))
    except (struct.error, ValueError):
        return resources
    return b"".join(part for number, part in parts if number not in THUMBNAILS)


def iptc_of(resources: bytes) -> bytes:
    """Bare IPTC out of resources; b'' where there is none, or it is damaged."""
    try:
        whole = next((part for number, part in _parts(resources) if number == IPTC), b"")
        size_at = 7 + whole[6] + (whole[6] + 1) % 2 if whole else 0
        return whole[size_at + 4 : size_at + 4 + int.from_bytes(whole[size_at : size_at + 4], "big")]
    except (struct.error, ValueError, IndexError):
        return b""


def iptc_resource(iptc: bytes) -> bytes:
    """Wrap bare IPTC, as TIFF may have it, into a resource."""
    if not iptc:
        return b""
    return b"8BIM" + struct.pack(">HHI", IPTC, 0, len(iptc)) + iptc + bytes(len(iptc) % 2)


def _parts(resources: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield every resource's number and its whole bytes."""
    start = 0
    while start < len(resources):
        if resources[start : start + 4] != b"8BIM":
            raise ValueError("not a resource")
        number, name_size = struct.unpack_from(">HB", resources, start + 4)
        size_at = start + 7 + name_size + (name_size + 1) % 2
        [size] = struct.unpack_from(">I", resources, size_at)
        end = size_at + 4 + size + size % 2
        yield number, resources[start:end]
        start = end
