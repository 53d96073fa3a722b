"""Reads a photo's size and camera from its first bytes."""

import io
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image
from PIL.ExifTags import Base

from pipeline.photos import avif, heif, jxl, raw, tiff, webp
from pipeline.photos.decoding import read_exif
from pipeline.photos.exif_block import SOFTWARE, ExifBlock

HEAD_BYTES = 2**16  # enough for the header, unless a large profile or thumbnail precedes it
BYTES_PER_PIXEL = 0.4  # typical for JPEGs of phones
RAW_BYTES_PER_PIXEL = 1.2  # typical for compressed RAW


@dataclass(frozen=True, kw_only=True)
class Header:
    """Facts from a photo's head. pixels: estimated if unknown. make, model: '' if unknown."""

    pixels: int
    make: str = ""
    model: str = ""


def tells_all(head: bytes) -> bool:
    """Tell whether the first bytes contain the EXIF; otherwise it may be anywhere in the file."""
    if webp.begins(head):
        return not webp.has_exif(head) or bool(webp.read_exif(head))
    if raw.begins(head) or tiff.begins(head):
        return bool(read_exif(head).make)
    if jxl.begins(head):
        return not head.startswith(jxl.CONTAINER) or bool(read_exif(head).make)
    return not (avif.begins(head) or heif.begins(head))


def read_header(head: bytes, size_bytes: int) -> Header:
    """Read the head of a photo of `size_bytes`. Never raises."""
    exif = read_exif(head)
    # Pillow would read the size of a RAW's preview.
    pixels = int(size_bytes / RAW_BYTES_PER_PIXEL) if raw.begins(head) else _pixels(head)
    return Header(pixels=pixels or int(size_bytes / BYTES_PER_PIXEL), make=exif.make, model=exif.model)


def header_of(photo: Path) -> Header:
    """Read the header of a photo's file; that of a missing or unreadable file tells nothing."""
    try:
        with photo.open("rb") as file:
            head = file.read(HEAD_BYTES)
            if not tells_all(head):
                head += file.read()
        return read_header(head, photo.stat().st_size)
    except OSError:  # reading the whole photo will report it
        return Header(pixels=0)


def software(photo: Path | BinaryIO) -> str:
    """Return the software that made a photo, from its EXIF and comment; '' if unknown or damaged."""
    try:
        if block := _exif_of_jxl(photo):
            return ExifBlock(block).text(SOFTWARE)
        with _opened(photo) as image:
            comment = image.info.get("comment", b"")
            return f"{image.getexif().get(Base.Software, '')} {comment.decode('utf-8', 'replace')}".strip()
    except Exception:  # damaged files can make parsers raise anything
        return ""


def _exif_of_jxl(photo: Path | BinaryIO) -> bytes:
    """Return the EXIF of a JPEG XL, which Pillow does not open; b'' for other formats."""
    with open(photo, "rb") if isinstance(photo, Path) else nullcontext(photo) as file:
        head = file.read(len(jxl.CONTAINER))
        block = jxl.read_exif(head + file.read()) if jxl.begins(head) else b""
        file.seek(0)
        return block


def _opened(photo: Path | BinaryIO) -> Image.Image:
    Image.MAX_IMAGE_PIXELS = None  # only the header is read
    return Image.open(photo)


def _pixels(head: bytes) -> int:
    try:
        if heif.begins(head):
            heif.can_read_heif()
        if jxl.begins(head):
            return jxl.pixels(head)
        with _opened(io.BytesIO(head)) as image:
            return image.width * image.height
    except Exception:  # truncated, damaged or malicious; reading the whole file will report it
        return 0
