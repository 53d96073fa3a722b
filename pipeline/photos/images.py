"""Photos as cameras write them, in and out of one form: photo_hwc, uint8, upright, sRGB."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms
from PIL.ExifTags import IFD, Base

from pipeline.errors import PhotoError
from pipeline.files import write_atomically
from pipeline.photos.formats import FORMATS
from pipeline.photos.heif import can_read_heif, is_heif

DECODERS = list(dict.fromkeys(FORMATS.values()))
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, kw_only=True)
class Exif:
    """What a camera noted; '' where it noted nothing that makes sense."""

    make: str = ""
    model: str = ""
    taken_at: str = ""  # ISO 8601, with an offset only if the camera knew it
    orientation: int = 1  # 1–8, as in EXIF


def read_photo(path: str | Path) -> np.ndarray:
    """Read a photo file as `decode_photo` does.

    Raises: PhotoError naming the file.
    """
    try:
        return decode_photo(Path(path).read_bytes())
    except FileNotFoundError:
        raise PhotoError(f"{path}: no such photo") from None
    except PhotoError as error:
        raise PhotoError(f"{path}: {error}; replace or remove it") from error


def decode_photo(data: bytes) -> np.ndarray:
    """Decode JPEG, PNG, TIFF, WebP, AVIF or HEIF to photo_hwc uint8, upright, in sRGB.

    Alpha is laid over white; 16 bits are scaled to 8; of several pictures in a file the first is read.
    Raises: PhotoError with a short reason.
    """
    with refusals(data), Image.open(io.BytesIO(data), formats=decoders(data)) as image:
        image.load()
        return np.array(to_srgb(to_8_bit(_turned(image))))


def decoders(data: bytes) -> list[str]:
    """Pillow's names of the formats that a file may have."""
    return [*DECODERS, "HEIF"] if is_heif(data) and can_read_heif() else DECODERS


@contextmanager
def refusals(data: bytes) -> Iterator[None]:
    """Turn whatever decoding raises into a PhotoError with a short reason."""
    if not data:
        raise PhotoError("empty file")
    try:
        yield
    except PhotoError:
        raise
    except Image.UnidentifiedImageError:
        if is_heif(data) and not can_read_heif():
            raise PhotoError("HEIF needs `pip install 'wespe[heif]'`; or export it as JPEG") from None
        raise PhotoError("not a JPEG, PNG, TIFF, WebP, AVIF or HEIF photo") from None
    except Image.DecompressionBombError:
        raise PhotoError(f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} million pixels") from None
    except Exception as error:  # a hostile file can make a decoder raise anything
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise PhotoError(f"cannot be decoded: {reason}") from None


def read_exif(data: bytes) -> Exif:
    """Read what the camera noted; bad EXIF reads as none."""
    try:
        with Image.open(io.BytesIO(data), formats=decoders(data)) as image:
            tags = image.getexif()
            return Exif(
                make=_text(tags.get(Base.Make)),
                model=_text(tags.get(Base.Model)),
                taken_at=_taken_at(tags),
                orientation=orientation_of(image),
            )
    except Exception:  # a hostile block can make the parser raise anything; the pixels may be fine
        return Exif()


def write_photo(path: str | Path, photo_hwc: np.ndarray, quality: int = 95) -> None:
    """Write photo_hwc uint8 sRGB in the format of the suffix; `quality` (1–100) is for JPEG and WebP.

    No profile is embedded: untagged means sRGB, and a profile carries the time it was made.
    Raises: PhotoError for an unknown suffix.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise PhotoError(f"{path}: no photo format of this suffix; use {', '.join(FORMATS)}")
    kind = FORMATS[path.suffix.lower()]
    file = io.BytesIO()
    Image.fromarray(photo_hwc).save(file, kind, **_options(kind, quality))
    write_atomically(path, file.getvalue())


def _options(kind: str, quality: int) -> dict[str, Any]:
    match kind:
        case "JPEG":  # colour at full resolution: the format must not blur what a method did
            return {"quality": quality, "subsampling": 0}
        case "WEBP":
            return {"quality": quality}
        case "TIFF":
            return {"compression": "tiff_deflate"}
    return {}


def _turned(image: Image.Image) -> Image.Image:
    # Read after load(): Pillow has by then turned a TIFF, and forgotten its tag.
    orientation = orientation_of(image)
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


def orientation_of(image: Image.Image) -> int:
    try:
        value = image.getexif().get(Base.Orientation, 1)
    except Exception:  # as in read_exif
        return 1
    return value if value in UPRIGHT else 1


def to_8_bit(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8; Pillow has already done so for 16-bit colour."""
    if image.mode == "F":
        raise PhotoError("floating-point pixels have no agreed white; save it with 8 or 16 bits")
    if not image.mode.startswith("I"):
        return image
    grey = np.clip(np.asarray(image).astype(np.float64), 0, 65535)
    scaled = Image.fromarray(np.round(grey / 257).astype(np.uint8))
    scaled.info = image.info
    return scaled


def to_srgb(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        return _converted(_over_white(image.convert("RGBA")), image.info.get("icc_profile"))
    if image.mode not in ("RGB", "L", "CMYK"):
        return _converted(image.convert("RGB"), image.info.get("icc_profile"))
    return _converted(image, image.info.get("icc_profile"))


def _over_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _converted(image: Image.Image, icc_profile: bytes | None) -> Image.Image:
    """Convert from an embedded profile; like browsers, take a photo with a broken one as sRGB."""
    if not icc_profile:
        return image.convert("RGB")
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
        if ImageCms.getProfileDescription(profile).startswith("sRGB"):
            return image.convert("RGB")
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB") or image.convert("RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image.convert("RGB")


def _taken_at(tags: Image.Exif) -> str:
    details = tags.get_ifd(IFD.Exif)
    stamp = _text(details.get(Base.DateTimeOriginal) or tags.get(Base.DateTime))
    offset = _text(details.get(Base.OffsetTimeOriginal))
    for text, layout in ((stamp + offset, "%Y:%m:%d %H:%M:%S%z"), (stamp, "%Y:%m:%d %H:%M:%S")):
        try:
            return datetime.strptime(text, layout).isoformat()
        except ValueError:
            continue
    return ""


def _text(value: object) -> str:
    """Keep the readable part of a tag: cameras pad with NULs, hostile files with anything."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    text = value.split("\0")[0].strip() if isinstance(value, str) else ""
    return "".join(letter for letter in text if letter.isprintable())[:100]
