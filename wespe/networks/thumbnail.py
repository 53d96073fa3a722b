"""A whole photo reduced to a small square, from strips: what a decision per photo is made of."""

from collections.abc import Iterable

import torch
from torch.nn import functional


def thumbnails(strips_nchw: Iterable[torch.Tensor], side: int) -> torch.Tensor:
    """Average whole photos, passed as strips from top to bottom, to squares, (n, 3, side, side).

    Strips of any height give the same bits as the whole photo. Pixels of a photo smaller than the square are
    repeated.
    """
    narrow = torch.cat([_narrowed(strip, side) for strip in strips_nchw], 2)
    return _narrowed(narrow.mT, side).mT


def _narrowed(photos_nchw: torch.Tensor, side: int) -> torch.Tensor:
    """Average each row to `side` pixels."""
    # As photos of one row, since the ONNX export cannot pool to a height that depends on the photo.
    rows = photos_nchw.reshape(-1, 1, 1, photos_nchw.shape[3])
    return functional.adaptive_avg_pool2d(rows, (1, side)).view(*photos_nchw.shape[:3], side)
