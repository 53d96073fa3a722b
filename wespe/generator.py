"""What every enhancer's generator offers to whoever runs it: training, tiles, ONNX, precision, serving."""

from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import nn


class Place(NamedTuple):
    """Where a tile lies in its photo, in pixels: its first row and column, and the photo's size."""

    top: int
    left: int
    height: int
    width: int


class Generator(nn.Module):
    """photos_nchw → photos_nchw of the same size, float 0–1.

    A generator that looks at the whole photo, beyond its receptive field, does so in `decide` alone;
    `forward` then enhances any tile as it would within the whole photo.

    decides: whether `decide` returns a decision that `forward` needs.
    step_px: tiles must begin at rows and columns that are multiples of it.
    strip_px: strips given to `decide` have a multiple of this many rows, but for the last.
    """

    decides: ClassVar[bool] = False
    step_px: int = 1
    strip_px: int = 1

    def decide(self, strips_nchw: Iterable[torch.Tensor]) -> Any:
        """Look at whole photos, in strips from top to bottom; return a NamedTuple of tensors, or None."""
        return None

    def forward(
        self, photos_nchw: torch.Tensor, decision: Any = None, place: Place | None = None
    ) -> torch.Tensor:
        """Enhance whole photos, or tiles of one.

        decision: of the whole photo; None where `photos_nchw` are whole photos, to be looked at here.
        place: of a tile; None for whole photos.
        """
        raise NotImplementedError
