"""Chooses the positions of patches in a photo, and cuts them out; reduces whole photos."""

import random

import numpy as np
from PIL import Image

from pipeline.patches.settings import WHOLE_PX, Patches
from pipeline.seeds import seed_of

Position = tuple[int, int]  # y, x of the top left pixel


def positions(patches: Patches, photo_id: str, width: int, height: int) -> list[Position]:
    """Return the positions of a photo's patches, which depend on its id and size; [] if it is too small."""
    ys, xs = _possible(patches, width, height)
    if patches.per_photo is None:
        return [(y, x) for y in ys for x in xs]
    places, count = range(len(ys) * len(xs)), number_of_positions(patches, width, height)
    chosen = random.Random(seed_of("patches", photo_id)).sample(places, count)
    return [divmod(place, len(xs)) for place in chosen]


def number_of_positions(patches: Patches, width: int, height: int) -> int:
    """Return how many positions a photo has, without choosing them."""
    ys, xs = _possible(patches, width, height)
    return min(patches.per_photo or len(ys) * len(xs), len(ys) * len(xs))


def _possible(patches: Patches, width: int, height: int) -> tuple[range, range]:
    """Return the rows and columns at which a patch may begin."""
    step = patches.stride_px or 1
    return range(0, height - patches.size_px + 1, step), range(0, width - patches.size_px + 1, step)


def cut(photo_hwc: np.ndarray, places: list[Position], size_px: int) -> np.ndarray:
    """Return the patches at `places` as contiguous uint8 patches_nhwc."""
    return np.stack([photo_hwc[y : y + size_px, x : x + size_px] for y, x in places])


def reduced(photo_hwc: np.ndarray) -> np.ndarray:
    """Reduce a whole uint8 photo_hwc to a square of WHOLE_PX, whatever its shape, by averaging areas."""
    return np.asarray(Image.fromarray(photo_hwc).resize((WHOLE_PX, WHOLE_PX), Image.Resampling.BOX))
