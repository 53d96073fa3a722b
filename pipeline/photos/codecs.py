"""CODECS: the supported formats, each with its own module.

To add a format, add a module, a row here and a row in formats.py.
"""

from typing import Protocol

from pipeline.photos import avif, heif, jpeg, jxl, png, raw, tiff, webp
from pipeline.photos.original import Samples


class Codec(Protocol):
    """The interface of a format's module. Modules of formats that can be written also have `write`."""

    def begins(self, data: bytes) -> bool:
        """Tell from its first bytes whether a file has this format."""

    def read(self, data: bytes, max_pixels: float) -> Samples:
        """Decode a file. If the format allows it, skip pixels that `max_pixels` does not need (0: all)."""

    def read_exif(self, data: bytes) -> bytes:
        """Return the EXIF block, without decoding pixels."""


# RAW comes before TIFF: many cameras write their RAW as TIFF, with a small picture in the first place.
CODECS: dict[str, Codec] = {
    "JPEG": jpeg, "PNG": png, "RAW": raw, "TIFF": tiff, "WEBP": webp, "AVIF": avif, "HEIF": heif,
    "JXL": jxl,
}  # fmt: skip
WRITERS = {
    "JPEG": jpeg.write, "PNG": png.write, "TIFF": tiff.write, "WEBP": webp.write, "AVIF": avif.write,
    "JXL": jxl.write,
}  # fmt: skip


def format_of(data: bytes) -> str:
    """Return a file's format, from its first bytes; '' if it is unsupported."""
    return next((name for name, codec in CODECS.items() if codec.begins(data)), "")
