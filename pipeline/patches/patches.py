"""Where patches lie in a photo, and cutting them out."""

import random
from dataclasses import dataclass

import numpy as np

from pipeline.seeds import seed_of

MIN_PX, MAX_PX = 17, 1024  # the critics' strides leave a single pixel of 16 px, which no norm can take

Position = tuple[int, int]  # y, x of the top left pixel


@dataclass(frozen=True, kw_only=True)
class Patches:
    """Square patches of `size_px`: `per_photo` at random places, or a grid every `stride_px`.

    A photo with fewer different places than `per_photo` gives one patch for each place.
    """

    size_px: int = 100
    per_photo: int | None = None
    stride_px: int | None = None

    def __post_init__(self) -> None:
        if not MIN_PX <= self.size_px <= MAX_PX:
            raise ValueError(f"size_px must be {MIN_PX} to {MAX_PX}, not {self.size_px}")
        if (self.per_photo is None) == (self.stride_px is None):
            raise ValueError("give one of per_photo (random places) and stride_px (a grid)")
        for name in ("per_photo", "stride_px"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")


def positions(patches: Patches, photo_id: str, width: int, height: int) -> list[Position]:
    """Places of this photo's patches, from its id alone; none if the photo is smaller than a patch."""
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


def cut(photo_hwc: np.ndarray, places: list[Position], size_px: int) -> np.ndarray:
    """patches_nhwc uint8 at `places`, contiguous."""
    return np.stack([photo_hwc[y : y + size_px, x : x + size_px] for y, x in places])
