"""The interface of every generator, used by training, tiling, ONNX export, precision and serving."""

from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import nn


class Place(NamedTuple):
    """Position of a tile in its photo: its first row and column, and the photo's size, in pixels."""

    top: int
    left: int
    height: int
    width: int


class Generator(nn.Module):
    """photos_nchw → photos_nchw of the same size, float 0–1.

    A generator that uses information from the whole photo must gather it in `decide`. With that decision,
    `forward` must enhance a tile exactly as it would within the whole photo.

    decides: whether `decide` returns a decision that `forward` needs.
    step_px: tiles must begin at rows and columns that are multiples of it.
    strip_px: all strips passed to `decide`, except the last, must have a multiple of this many rows.
    """

    decides: ClassVar[bool] = False
    step_px: int = 1
    strip_px: int = 1

    def decide(self, strips_nchw: Iterable[torch.Tensor]) -> Any:
        """Analyse whole photos, in strips from top to bottom; return a NamedTuple of tensors, or None."""
        return None

    def compact(self, decision: Any) -> Any:
        """Return a decision without what `forward` does not read; a film keeps thousands of them."""
        return decision

    def forward(
        self, photos_nchw: torch.Tensor, decision: Any = None, place: Place | None = None
    ) -> torch.Tensor:
        """Enhance whole photos, or tiles of one photo.

        decision: what `decide` returned for the whole photo. If None, `photos_nchw` must be whole photos, and
            `forward` decides itself.
        place: position of the tile; None for whole photos.
        """
        raise NotImplementedError

    def explain(self, decision: Any, index: int = 0) -> dict[str, Any]:
        """Return what was decided for one photo of a decision in terms of a photo editor, for JSON.

        Empty unless the method edits in steps that a person can read.
        """
        return {}
