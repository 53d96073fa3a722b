"""WebP (RFC 9649), through Pillow."""

import io

from PIL import Image

from pipeline.photos.exif import PREFIX
from pipeline.photos.original import Metadata, Samples
from pipeline.photos.pixels import first_of, of_pillow
from pipeline.photos.riff import chunks
from pipeline.photos.size_limit import require_memory
from pipeline.photos.writing import EncodedPhoto, Picture, without_resources

HAS_EXIF = 0x08  # flag of VP8X


def begins(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def read(data: bytes, max_pixels: float) -> Samples:
    found = dict(chunks(data))
    with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
        require_memory(*image.size)
        image.load()
        values, channels = of_pillow(image)
        frames = getattr(image, "n_frames", 1)
    return Samples(
        values_hwc=values,
        channels=channels,
        profile=found.get(b"ICCP", b""),
        metadata=Metadata(exif=read_exif(data), xmp=found.get(b"XMP ", b"")),
        layout={"lossless": b"VP8L" in found},
        warnings=first_of(frames),
    )


def read_exif(data: bytes) -> bytes:
    return dict(chunks(data)).get(b"EXIF", b"").removeprefix(PREFIX)


def write(picture: Picture) -> EncodedPhoto:
    """Encode 8-bit RGB or RGBA; lossless if the original was, unless a quality is given."""
    lossless = picture.layout.get("lossless", False) and picture.quality is None
    file = io.BytesIO()
    Image.fromarray(picture.values_hwc).save(
        file,
        "WEBP",
        exif=picture.metadata.exif,
        xmp=picture.metadata.xmp,
        icc_profile=picture.profile or None,
        quality=picture.quality or (100 if lossless else 95),
        lossless=lossless,
    )
    return EncodedPhoto(data=file.getvalue(), warnings=without_resources("WebP", picture))


def has_exif(head: bytes) -> bool:
    """Tell from the header whether the file has EXIF, which is at its end."""
    return head[12:16] == b"VP8X" and len(head) > 20 and bool(head[20] & HAS_EXIF)
