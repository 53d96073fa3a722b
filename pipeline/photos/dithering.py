"""Converts 16 bits per sample to 8."""

import numpy as np

BAYER = np.array(
    [[0, 32, 8, 40, 2, 34, 10, 42], [48, 16, 56, 24, 50, 18, 58, 26], [12, 44, 4, 36, 14, 46, 6, 38],
     [60, 28, 52, 20, 62, 30, 54, 22], [3, 35, 11, 43, 1, 33, 9, 41], [51, 19, 59, 27, 49, 17, 57, 25],
     [15, 47, 7, 39, 13, 45, 5, 37], [63, 31, 55, 23, 61, 29, 53, 21]]
)  # fmt: skip


def dithered(values: np.ndarray) -> np.ndarray:
    """Convert uint16 (h, w, …) to uint8 with ordered dithering, to avoid banding in smooth skies."""
    if values.dtype == np.uint8:
        return values
    height, width = values.shape[:2]
    eight = np.empty(values.shape, np.uint8)
    pattern = np.tile((BAYER + 0.5) / 64, (1, width // 8 + 1))[:, :width]
    for top in range(0, height, 8):
        rows = values[top : top + 8]
        threshold = pattern[: len(rows)].reshape(len(rows), width, *[1] * (values.ndim - 2))
        eight[top : top + 8] = rows / 257 + threshold
    return eight
