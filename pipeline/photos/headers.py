"""What the first bytes of a photo tell: its size, and which camera took it."""

import io
from dataclasses import dataclass

from PIL import Image

from pipeline.photos.images import decoders, read_exif

HEAD_BYTES = 2**16  # holds the header but where a large profile or thumbnail comes before it
BYTES_PER_PIXEL = 0.4  # of a JPEG as phones write it


@dataclass(frozen=True, kw_only=True)
class Header:
    """`pixels` is an estimate where the size does not stand in the head; make and model are '' if unknown."""

    pixels: int
    make: str = ""
    model: str = ""


def read_header(head: bytes, size_bytes: int) -> Header:
    """Read the head of a photo of `size_bytes`; nothing is raised, whatever it holds."""
    exif = read_exif(head)
    return Header(pixels=_pixels(head) or int(size_bytes / BYTES_PER_PIXEL), make=exif.make, model=exif.model)


def _pixels(head: bytes) -> int:
    try:
        with Image.open(io.BytesIO(head), formats=decoders(head)) as image:
            return image.width * image.height
    except Exception:  # cut off, broken or hostile: whoever reads all of it will say what
        return 0
