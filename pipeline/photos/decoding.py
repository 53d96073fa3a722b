"""Decodes photos, for training, scores, serving and enhancement alike."""

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

OTHERS = {  # unsupported formats and their first bytes
    "a GIF": (b"GIF8",),
    "a BMP": (b"BM",),
    "JPEG 2000": (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    "a ZIP archive": (b"PK\3\4",),
    "a PDF": (b"%PDF",),
    "an AppleDouble file of macOS": (b"\0\5\x16\7",),
    "a Git LFS pointer": (b"version https://git-lfs",),
}
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # EXIF orientation → rotation of (h, w, …)
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
    """Decode a photo and its metadata; reduce it to at most `max_megapixels` (0: no limit).

    Raises PhotoError with a short reason.
    """
    Image.MAX_IMAGE_PIXELS = None  # the size limit follows the memory instead
    with refusals(data):
        kind = format_of(data)
        if not kind:
            raise PhotoError(f"{_named(data)}not a JPEG, PNG, TIFF, WebP, AVIF, JPEG XL, HEIF or RAW photo")
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
    """Read the camera's EXIF from a whole file or its head; damaged EXIF counts as none."""
    kind = format_of(data)
    try:
        block = CODECS[kind].read_exif(data) if kind else b""
    except Exception:  # malicious files can make parsers raise anything; the pixels may still be valid
        return Exif()
    return facts(block)


@contextmanager
def refusals(data: bytes) -> Iterator[None]:
    """Convert all errors of decoding to a PhotoError with a short reason."""
    if not data:
        raise PhotoError("empty file")
    try:
        yield
    except PhotoError:
        raise
    except MemoryError:
        raise PhotoError("too large for the free memory; use --max-megapixels, or a smaller copy") from None
    except Exception as error:  # malicious files can make decoders raise anything
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise PhotoError(f"cannot be decoded: {reason}") from None
