"""Reads chunks of RIFF files, such as WebP."""

from collections.abc import Iterator


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and content of every chunk, up to a truncated one."""
    place = 12
    while place + 8 <= len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        if place + 8 + size > len(data):
            return
        yield data[place : place + 4], data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
