"""Settings of the splits and of the patches."""

from dataclasses import dataclass
from typing import Literal

MIN_PX, MAX_PX = 17, 1024  # 16 px leave one pixel after the critics' strides, which cannot be normalised

WHOLE_PX = 192  # side of the squares to which whole photos are reduced, for methods that need them

SplitName = Literal["train", "validation", "test"]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Shares of the photos (0–1) that are held out; the rest is for training.

    test: for evaluation. validation: cut into patches, but not used by any stage; for your own experiments.
    """

    validation: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        if min(self.validation, self.test) < 0 or self.validation + self.test >= 1:
            raise ValueError("validation and test must be at least 0, and their sum must be below 1")


@dataclass(frozen=True, kw_only=True)
class Patches:
    """Square patches of `size_px`: `per_photo` at random positions, or a grid with step `stride_px`.

    A photo with fewer than `per_photo` different positions gives one patch per position.
    """

    size_px: int = 100
    per_photo: int | None = None
    stride_px: int | None = None

    def __post_init__(self) -> None:
        if not MIN_PX <= self.size_px <= MAX_PX:
            raise ValueError(f"size_px must be {MIN_PX} to {MAX_PX}, not {self.size_px}")
        if (self.per_photo is None) == (self.stride_px is None):
            raise ValueError("give either per_photo (random positions) or stride_px (a grid)")
        for name in ("per_photo", "stride_px"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
