"""Chooses the positions of patches in a photo, and cuts them out; reduces whole photos."""

import random

import numpy as np
from PIL import Image

from pipeline.patches.settings import WHOLE_PX, Patches
from pipeline.seeds import seed_of

Position = tuple[int, int]  # y, x of the top left pixel


def positions(patches: Patches, photo_id: str, width: int, height: int) -> list[Position]:
    """Return the positions of a photo's patches, which depend on its id and size; [] if it is too small."""
    rows, columns = height - patches.size_px + 1, width - patches.size_px + 1
    if rows < 1 or columns < 1:
        return []
    if patches.stride_px is not None:
        return [
            (y, x) for y in range(0, rows, patches.stride_px) for x in range(0, columns, patches.stride_px)
        ]
    assert patches.per_photo is not None
    places = rows * columns
    chosen = random.Random(seed_of("patches", photo_id)).sample(range(places), min(patches.per_photo, places))
    return [divmod(place, columns) for place in chosen]


def number_of_positions(patches: Patches, width: int, height: int) -> int:
    """Return how many positions a photo has, without choosing them."""
    rows, columns = height - patches.size_px + 1, width - patches.size_px + 1
    if rows < 1 or columns < 1:
        return 0
    if patches.stride_px is not None:
        return len(range(0, rows, patches.stride_px)) * len(range(0, columns, patches.stride_px))
    assert patches.per_photo is not None
    return min(patches.per_photo, rows * columns)


def cut(photo_hwc: np.ndarray, places: list[Position], size_px: int) -> np.ndarray:
    """Return the patches at `places` as contiguous uint8 patches_nhwc."""
    return np.stack([photo_hwc[y : y + size_px, x : x + size_px] for y, x in places])


def reduced(photo_hwc: np.ndarray) -> np.ndarray:
    """Reduce a whole uint8 photo_hwc to a square of WHOLE_PX, whatever its shape, by averaging areas."""
    return np.asarray(Image.fromarray(photo_hwc).resize((WHOLE_PX, WHOLE_PX), Image.Resampling.BOX))
