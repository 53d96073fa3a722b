"""Converts decoded samples to uint8 or uint16 over the full range."""

import numpy as np
from PIL import Image

from pipeline.photos.original import STRIP_PIXELS, Channels

BY_COUNT: dict[int, Channels] = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
GRAY_MODES = ("1", "L", "LA", "La")


def of_pillow(image: Image.Image) -> tuple[np.ndarray, Channels]:
    """Return uint8 values (h, w, c) and their channels; palettes are converted to RGB."""
    gray, alpha = image.mode in GRAY_MODES, image.has_transparency_data
    mode = (
        ("LA" if alpha else "L") if gray else "CMYK" if image.mode == "CMYK" else "RGBA" if alpha else "RGB"
    )
    values = np.asarray(image if image.mode == mode else image.convert(mode))
    return of_array(values)[0], "CMYK" if mode == "CMYK" else of_array(values)[1]


def of_array(values: np.ndarray) -> tuple[np.ndarray, Channels]:
    """Reshape (h, w) or (h, w, c), gray or RGB with or without alpha, to (h, w, c); return the channels."""
    values = values.reshape(*values.shape[:2], -1)
    return values, BY_COUNT[values.shape[2]]


def whole_range(values: np.ndarray, bits: int) -> np.ndarray:
    """Scale values of `bits` bits to the full range of uint8 (up to 8 bits) or uint16."""
    wanted = np.uint8 if bits <= 8 else np.uint16
    if bits in (8, 16):
        return values.astype(wanted, copy=False)
    scaled = np.empty(values.shape, wanted)
    factor = np.iinfo(wanted).max / (2**bits - 1)
    rows = max(1, STRIP_PIXELS // max(1, values.shape[1]))
    for top in range(0, len(values), rows):
        scaled[top : top + rows] = (values[top : top + rows] * factor).round()
    return scaled


def unassociated(colour: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Undo premultiplied alpha."""
    largest = np.iinfo(colour.dtype).max
    divided = colour * (largest / np.maximum(share, 1).astype(np.float32))
    return divided.round().clip(0, largest).astype(colour.dtype)


def first_of(frames: int) -> tuple[str, ...]:
    """Return the warning for a file with several pictures."""
    return (f"only the first of its {frames} frames is used",) if frames > 1 else ()
