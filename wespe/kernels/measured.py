"""The measurements that decide a photo's colour, on a CPU, several times as fast as torch."""

import numpy as np
import torch

from wespe.kernels.compiled import on_rows, passes
from wespe.networks.activity import BLOCK_PX


def measured(
    photos_nchw: torch.Tensor, curves: torch.Tensor, *, unit_px: int, window_px: int, narrow_px: int
) -> tuple[torch.Tensor, ...]:
    """Apply tone curves to one photo or strip, and average it.

    unit_px: a multiple of the sides of windows and blocks. Returns the toned strip scaled to a width of
    narrow_px, (1, 3, h, narrow_px); mean and deviation of luma per window, and mean luma per block, each
    (1, 1, rows, columns); and the mean square of three bands per block, (1, 3, rows, columns).
    """
    run, photo = passes(), photos_nchw[0].numpy()
    assert run is not None
    height, width = photo.shape[1:]
    narrow = np.empty((3, height, narrow_px), np.float32)
    sums = np.zeros((2, height // window_px, width // window_px))
    pivots = np.empty(sums.shape[1:], np.float32)
    block_means = np.empty((height // BLOCK_PX, width // BLOCK_PX), np.float32)
    block_squares = np.empty((3, *block_means.shape), np.float32)
    on_units = on_rows(height // unit_px, least=1)
    on_units(run.measured, photo)(
        unit_px, window_px, curves.numpy(), narrow, pivots, *sums, block_means, block_squares
    )
    means, squares = sums
    deviations = np.sqrt(np.maximum(squares - means * means, 0)).astype(np.float32)
    return (
        torch.from_numpy(narrow)[None],
        torch.from_numpy((pivots + means).astype(np.float32))[None, None],
        torch.from_numpy(deviations)[None, None],
        torch.from_numpy(block_means)[None, None],
        torch.from_numpy(block_squares)[None],
    )
