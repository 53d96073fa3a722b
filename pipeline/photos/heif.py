"""HEIF, a format of phones; read with the optional package pi-heif (`pip install 'wespe[heif]'`)."""

import io
from functools import cache

import numpy as np
from PIL import Image

from pipeline.errors import PhotoError
from pipeline.photos import avif, bmff
from pipeline.photos.cicp import profile_of
from pipeline.photos.exif import PREFIX
from pipeline.photos.original import Channels, Metadata, Samples
from pipeline.photos.pixels import first_of, of_array, of_pillow
from pipeline.photos.size_limit import require_memory

BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}


def begins(data: bytes) -> bool:
    """Tell from its first bytes whether a file is HEIF; AVIF files may have the same brands."""
    return bool(bmff.brands(data) & BRANDS) and not avif.begins(data)


is_heif = begins


@cache
def can_read_heif() -> bool:
    """Register the format "HEIF" in Pillow if possible. Pixels are then upright, and the orientation is 1."""
    try:
        from pi_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def read(data: bytes, max_pixels: float) -> Samples:
    if not can_read_heif():
        raise PhotoError("HEIF requires `pip install 'wespe[heif]'`; install it, or export the photo as JPEG")
    with Image.open(io.BytesIO(data), formats=["HEIF"]) as image:
        deep = bmff.bits(data) > 8
        require_memory(*image.size, 16 if deep else 8)
        profile = image.info.get("icc_profile") or profile_of(*(bmff.code_points(data) or (2, 2)))
        frames = getattr(image, "n_frames", 1)
        exif, xmp = image.info.get("exif") or b"", image.info.get("xmp") or b""
        values, channels = _deep(data) if deep else of_pillow(image)
    return Samples(
        values_hwc=values,
        channels=channels,
        orientation=1,  # libheif has applied it
        profile=profile,
        metadata=Metadata(exif=exif.removeprefix(PREFIX), xmp=xmp),
        warnings=first_of(frames),
    )


def read_exif(data: bytes) -> bytes:
    """Return the EXIF block, in which pi-heif has set the orientation to 1."""
    if not can_read_heif():
        return b""
    with Image.open(io.BytesIO(data), formats=["HEIF"]) as image:
        return (image.info.get("exif") or b"").removeprefix(PREFIX)


def _deep(data: bytes) -> tuple[np.ndarray, Channels]:
    from pi_heif import open_heif

    # uint16 over the full range, for any number of bits in the file.
    return of_array(np.asarray(open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)))
