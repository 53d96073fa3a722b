"""How photos are shared between training and evaluation, and how patches are cut from them."""

from dataclasses import dataclass
from typing import Literal

MIN_PX, MAX_PX = 17, 1024  # of 16 px the critics' strides leave one pixel, which cannot be normalised

SplitName = Literal["train", "validation", "test"]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Shares of the photos (0–1) that are held out; the rest is for training.

    test: for evaluation. validation: cut into patches and used by no stage, for choices of your own.
    """

    validation: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        if min(self.validation, self.test) < 0 or self.validation + self.test >= 1:
            raise ValueError("validation and test must be at least 0, and less than 1 together")


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
