"""AVIF: 8 bits through Pillow, more through imagecodecs."""

import io

import imagecodecs
import numpy as np
from PIL import Image

from pipeline.photos import bmff
from pipeline.photos.cicp import profile_of
from pipeline.photos.exif import PREFIX
from pipeline.photos.exif_block import ORIENTATION, ExifBlock
from pipeline.photos.original import Channels, Metadata, Samples
from pipeline.photos.pixels import first_of, of_array, of_pillow, whole_range
from pipeline.photos.size_limit import require_memory
from pipeline.photos.writing import EncodedPhoto, Picture, without_resources


def begins(data: bytes) -> bool:
    return bool(bmff.brands(data) & {b"avif", b"avis"})


def read(data: bytes, max_pixels: float) -> Samples:
    deep = bmff.bits(data) > 8
    with Image.open(io.BytesIO(data), formats=["AVIF"]) as image:
        require_memory(*image.size, 16 if deep else 8)
        profile = image.info.get("icc_profile") or profile_of(*(bmff.code_points(data) or (2, 2)))
        xmp, frames = image.info.get("xmp", b""), getattr(image, "n_frames", 1)
        orientation = image.getexif().get(0x0112, 1)  # Pillow sets it from `irot` and `imir`
        values, channels = _deep(data) if deep else of_pillow(image)
    return Samples(
        values_hwc=values,
        channels=channels,
        orientation=orientation,
        profile=profile,
        metadata=Metadata(exif=bmff.exif(data), xmp=xmp),
        warnings=first_of(frames),
    )


def read_exif(data: bytes) -> bytes:
    return bmff.exif(data)


def write(picture: Picture) -> EncodedPhoto:
    """Encode 8-bit RGB or RGBA."""
    file, block = io.BytesIO(), ExifBlock(picture.metadata.exif)
    block.tags.pop(ORIENTATION, None)  # it has no effect in AVIF, and makes Pillow rewrite all text tags
    Image.fromarray(picture.values_hwc).save(
        file,
        "AVIF",
        exif=PREFIX + bytes(block.finished()),
        xmp=picture.metadata.xmp,
        icc_profile=picture.profile or None,
        quality=picture.quality or 95,
    )
    return EncodedPhoto(data=file.getvalue(), warnings=without_resources("AVIF", picture))


def _deep(data: bytes) -> tuple[np.ndarray, Channels]:
    values, channels = of_array(imagecodecs.avif_decode(data, index=0))
    return whole_range(values, bmff.bits(data)), channels
