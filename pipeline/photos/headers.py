"""What the first bytes of a photo tell: its size, and which camera took it."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image
from PIL.ExifTags import Base

from pipeline.photos import avif, heif, tiff, webp
from pipeline.photos.decoding import read_exif

HEAD_BYTES = 2**16  # holds the header, unless a large profile or thumbnail comes before it
BYTES_PER_PIXEL = 0.4  # of a JPEG as phones write it


@dataclass(frozen=True, kw_only=True)
class Header:
    """`pixels` is an estimate where the head does not tell the size; make and model are '' if unknown."""

    pixels: int
    make: str = ""
    model: str = ""


def tells_all(head: bytes) -> bool:
    """Whether the first bytes of a photo tell its camera; else its EXIF may lie anywhere in the file."""
    if webp.begins(head):
        return not webp.has_exif(head) or bool(webp.read_exif(head))
    if tiff.begins(head):
        return bool(read_exif(head).make)
    return not (avif.begins(head) or heif.begins(head))


def read_header(head: bytes, size_bytes: int) -> Header:
    """Read the head of a photo of `size_bytes`; nothing is raised, whatever it holds."""
    exif = read_exif(head)
    return Header(pixels=_pixels(head) or int(size_bytes / BYTES_PER_PIXEL), make=exif.make, model=exif.model)


def software(photo: Path | BinaryIO) -> str:
    """What made a photo, as its EXIF and its comment say; '' where nothing is said, or it is damaged."""
    try:
        with _opened(photo) as image:
            comment = image.info.get("comment", b"")
            return f"{image.getexif().get(Base.Software, '')} {comment.decode('utf-8', 'replace')}".strip()
    except Exception:  # whatever a damaged file makes a parser raise
        return ""


def _opened(photo: Path | BinaryIO) -> Image.Image:
    Image.MAX_IMAGE_PIXELS = None  # only the header is read
    return Image.open(photo)


def _pixels(head: bytes) -> int:
    try:
        if heif.begins(head):
            heif.can_read_heif()
        with _opened(io.BytesIO(head)) as image:
            return image.width * image.height
    except Exception:  # cut off, damaged or hostile: whoever reads all of it will say what
        return 0
