"""A whole photo reduced to a small square, from strips: what a decision per photo is made of."""

from collections.abc import Iterable

import torch
from torch.nn import functional


def thumbnails(strips_nchw: Iterable[torch.Tensor], side: int) -> torch.Tensor:
    """Average whole photos, passed as strips from top to bottom, to squares, (n, 3, side, side) float32.

    Strips of any height give the same bits as the whole photo. A photo smaller than the square is repeated.
    """
    narrow = torch.cat([_narrowed(strip.float(), side) for strip in strips_nchw], 2)
    return _narrowed(narrow.mT, side).mT


def _narrowed(photos_nchw: torch.Tensor, side: int) -> torch.Tensor:
    """Average each row to `side` pixels."""
    # Of one dimension, because the ONNX export cannot keep a dynamic height in a pool of two.
    return functional.adaptive_avg_pool1d(photos_nchw.flatten(0, 2), side).view(*photos_nchw.shape[:3], side)
