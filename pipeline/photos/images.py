"""Reads and writes photos as used by training, scores and serving: photo_hwc, uint8, upright, sRGB."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline import store
from pipeline.errors import PhotoError
from pipeline.files import write_atomically
from pipeline.photos import jxl
from pipeline.photos.decoding import decode_original, read_exif
from pipeline.photos.exif import Exif
from pipeline.photos.formats import FORMATS
from pipeline.photos.writing import Picture

__all__ = ["Exif", "decode_photo", "read_exif", "read_photo", "write_photo"]


def read_photo(path: str | Path) -> np.ndarray:
    """Read and decode a photo file, see `decode_photo`. path: of a file, or a place in the store.

    Raises: PhotoError naming the file; StoreError.
    """
    try:
        return decode_photo(store.read(str(path)))
    except FileNotFoundError:
        raise PhotoError(f"{path}: no such photo") from None
    except PhotoError as error:
        raise PhotoError(f"{path}: {error}; replace or remove it") from error


def decode_photo(data: bytes) -> np.ndarray:
    """Decode a photo of any format to photo_hwc uint8, upright, in sRGB.

    Alpha is composited over white; 16 bits are rounded to 8; only the first picture of a file is read.
    Raises: PhotoError with a short reason.
    """
    return decode_original(data).srgb_hwc()


def write_photo(path: str | Path, photo_hwc: np.ndarray, quality: int = 95) -> None:
    """Write photo_hwc uint8 sRGB in the format of the suffix; `quality`: 1–100, where formats have one.

    No profile is embedded, which means sRGB. Raises: PhotoError for an unsupported suffix.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise PhotoError(f"{path}: unsupported photo format; use {', '.join(FORMATS)}")
    kind = FORMATS[path.suffix.lower()]
    if kind == "JXL":  # unknown to Pillow
        write_atomically(path, jxl.write(Picture(values_hwc=photo_hwc, quality=quality)).data)
        return
    file = io.BytesIO()
    Image.fromarray(photo_hwc).save(file, kind, **_options(kind, quality))
    write_atomically(path, file.getvalue())


def _options(kind: str, quality: int) -> dict[str, Any]:
    match kind:
        case "JPEG":  # no chroma subsampling, which would blur the method's result
            return {"quality": quality, "subsampling": 0}
        case "WEBP":
            return {"quality": quality}
        case "TIFF":
            return {"compression": "tiff_deflate"}
    return {}
