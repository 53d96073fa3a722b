"""Tone curves on a CPU, several times as fast as torch."""

import numpy as np
import torch

from wespe.kernels.compiled import on_rows, passes


def curved(photos_nchw: torch.Tensor, curves: torch.Tensor) -> torch.Tensor:
    """Return what `tone.apply_curves` does, for one photo or tile."""
    run, photo = passes(), photos_nchw[0].numpy()
    assert run is not None
    result = np.empty((*photo.shape[1:], len(photo)), np.float32).transpose(2, 0, 1)
    on_rows(photo.shape[1])(run.apply_curves, photo)(curves.numpy(), result)
    return torch.from_numpy(result)[None]
