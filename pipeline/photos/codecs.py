"""The formats that are read, each by its own module.

A new format is such a module, a row here and a row in formats.
"""

from typing import Protocol

from pipeline.photos import avif, heif, jpeg, png, tiff, webp
from pipeline.photos.original import Samples


class Codec(Protocol):
    """What every format's module offers; those that are written have `write`, too."""

    def begins(self, data: bytes) -> bool:
        """Whether a file begins as one of this format."""

    def read(self, data: bytes, max_pixels: float) -> Samples:
        """Decode; where the format allows it, to no more pixels than is useful for `max_pixels` (0: all)."""

    def read_exif(self, data: bytes) -> bytes:
        """The EXIF block, without decoding pixels."""


CODECS: dict[str, Codec] = {"JPEG": jpeg, "PNG": png, "TIFF": tiff, "WEBP": webp, "AVIF": avif, "HEIF": heif}
WRITERS = {"JPEG": jpeg.write, "PNG": png.write, "TIFF": tiff.write, "WEBP": webp.write, "AVIF": avif.write}


def format_of(data: bytes) -> str:
    """The format that a file begins as; '' if it is none of these."""
    return next((name for name, codec in CODECS.items() if codec.begins(data)), "")
