"""Luma planes of photos, at full and half size."""

import numpy as np
from PIL import Image


def luma(photo_hwc: np.ndarray) -> np.ndarray:
    """Luma of a uint8 RGB photo as (h, w) uint8: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601)."""
    return np.asarray(Image.fromarray(photo_hwc).convert("L"))


def halve(plane: np.ndarray) -> np.ndarray:
    """Average 2×2 pixels of a plane (h, w), as float32; an odd last row or column counts twice."""
    plane = np.pad(plane, [(0, side % 2) for side in plane.shape], mode="edge").astype(np.float32)
    return (plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2]) / 4
