"""Samples as decoders give them, brought to uint8 or uint16 over the whole range."""

import numpy as np
from PIL import Image

from pipeline.photos.original import STRIP_PIXELS, Channels

BY_COUNT: dict[int, Channels] = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
GRAY_MODES = ("1", "L", "LA", "La")


def of_pillow(image: Image.Image) -> tuple[np.ndarray, Channels]:
    """Values uint8 (h, w, c), and what the channels are: gray stays gray, a palette becomes RGB."""
    gray, alpha = image.mode in GRAY_MODES, image.has_transparency_data
    mode = (
        ("LA" if alpha else "L") if gray else "CMYK" if image.mode == "CMYK" else "RGBA" if alpha else "RGB"
    )
    values = np.asarray(image if image.mode == mode else image.convert(mode))
    return of_array(values)[0], "CMYK" if mode == "CMYK" else of_array(values)[1]


def of_array(values: np.ndarray) -> tuple[np.ndarray, Channels]:
    """Values (h, w) or (h, w, c) of gray or RGB with or without alpha as (h, w, c)."""
    values = values.reshape(*values.shape[:2], -1)
    return values, BY_COUNT[values.shape[2]]


def whole_range(values: np.ndarray, bits: int) -> np.ndarray:
    """uint8 for up to 8 bits, else uint16; the largest value of `bits` becomes the largest of the type."""
    wanted = np.uint8 if bits <= 8 else np.uint16
    if bits in (8, 16):
        return values.astype(wanted, copy=False)
    scaled = np.empty(values.shape, wanted)
    factor = np.iinfo(wanted).max / (2**bits - 1)
    rows = max(1, STRIP_PIXELS // max(1, values.shape[1]))
    for top in range(0, len(values), rows):
        scaled[top : top + rows] = (values[top : top + rows] * factor).round()
    return scaled


def first_of(frames: int) -> tuple[str, ...]:
    """The warning for a file of several pictures."""
    return (f"only the first of its {frames} frames is used",) if frames > 1 else ()
