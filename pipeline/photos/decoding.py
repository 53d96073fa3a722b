"""The one decoder of photos: training, scores, serving and enhancing all see what it reads."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from PIL import Image

from pipeline.errors import PhotoError
from pipeline.photos.codecs import CODECS, format_of
from pipeline.photos.colour_management import interpreted
from pipeline.photos.exif import Exif, facts, is_adobe_rgb
from pipeline.photos.icc import adobe_rgb_profile
from pipeline.photos.original import Original, Samples

OTHERS = {  # formats that are not read, by their first bytes
    "a GIF": (b"GIF8",),
    "a BMP": (b"BM",),
    "JPEG 2000": (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    "JPEG XL": (b"\xff\x0a", b"\0\0\0\x0cJXL "),
    "a ZIP archive": (b"PK\3\4",),
    "a PDF": (b"%PDF",),
    "macOS's notes on a file": (b"\0\5\x16\7",),
    "a pointer of Git LFS": (b"version https://git-lfs",),
}
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # of an array (h, w, …), by EXIF orientation
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


def decode_original(data: bytes, max_megapixels: float = 0) -> Original:
    """Decode a photo and all that its file carries, reduced to at most so many megapixels (0: as it is).

    Raises PhotoError with a short reason.
    """
    Image.MAX_IMAGE_PIXELS = None  # the size limit follows the memory instead
    with refusals(data):
        kind = format_of(data)
        if not kind:
            raise PhotoError(f"{_named(data)}not a JPEG, PNG, TIFF, WebP, AVIF or HEIF photo")
        samples = CODECS[kind].read(data, max_megapixels * 1e6)
        if kind == "JPEG" and not samples.profile and is_adobe_rgb(samples.metadata.exif):
            samples = replace(samples, profile=adobe_rgb_profile())
        original = _original(kind, samples)
        return original.reduced(max_megapixels) if max_megapixels else original


def _named(data: bytes) -> str:
    """What a file is that people take for a photo, by how it begins."""
    head = bytes(data[:512]).lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "a web page (a login page, perhaps), "
    return next((f"{name}, " for name, starts in OTHERS.items() if bytes(data[:32]).startswith(starts)), "")


def _original(kind: str, samples: Samples) -> Original:
    fields, turn = interpreted(samples), UPRIGHT[_orientation(samples)]
    alpha = fields.pop("alpha_hw")
    return Original(
        kind=kind,
        photo_hwc=turn(fields.pop("photo_hwc")),
        alpha_hw=None if alpha is None else turn(alpha),
        metadata=samples.metadata,
        layout=samples.layout,
        **fields,
    )


def _orientation(samples: Samples) -> int:
    return facts(samples.metadata.exif).orientation if samples.orientation is None else samples.orientation


def read_exif(data: bytes) -> Exif:
    """Read what the camera noted, of a whole file or its head; damaged EXIF reads as none."""
    kind = format_of(data)
    try:
        block = CODECS[kind].read_exif(data) if kind else b""
    except Exception:  # a hostile file can make a parser raise anything; the pixels may be fine
        return Exif()
    return facts(block)


@contextmanager
def refusals(data: bytes) -> Iterator[None]:
    """Turn whatever decoding raises into a PhotoError with a short reason."""
    if not data:
        raise PhotoError("empty file")
    try:
        yield
    except PhotoError:
        raise
    except MemoryError:
        raise PhotoError("too large for the free memory; use --max-megapixels, or a smaller copy") from None
    except Exception as error:  # a hostile file can make a decoder raise anything
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise PhotoError(f"cannot be decoded: {reason}") from None
