"""Photoshop's image resources, which contain IPTC in JPEG and TIFF."""

import struct
from collections.abc import Iterator

SEGMENT = b"Photoshop 3.0\0"  # precedes resources in a JPEG; long blocks continue in further segments
IPTC = 0x0404
THUMBNAILS = (0x0409, 0x040C)


def without_thumbnail(resources: bytes) -> bytes:
    """Remove the thumbnail, which shows the original photo. Damaged resources are returned unchanged."""
    try:
        parts = list(_parts(resources))
    except (struct.error, ValueError):
        return resources
    return b"".join(part for number, part in parts if number not in THUMBNAILS)


def iptc_of(resources: bytes) -> bytes:
    """Extract plain IPTC from resources; b'' if missing or damaged."""
    try:
        whole = next((part for number, part in _parts(resources) if number == IPTC), b"")
        size_at = 7 + whole[6] + (whole[6] + 1) % 2 if whole else 0
        return whole[size_at + 4 : size_at + 4 + int.from_bytes(whole[size_at : size_at + 4], "big")]
    except (struct.error, ValueError, IndexError):
        return b""


def iptc_resource(iptc: bytes) -> bytes:
    """Wrap plain IPTC, as used in TIFF, in a resource."""
    if not iptc:
        return b""
    return b"8BIM" + struct.pack(">HHI", IPTC, 0, len(iptc)) + iptc + bytes(len(iptc) % 2)


def _parts(resources: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the number and all bytes of every resource."""
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
