"""Colour and texture of `LutResidual` on a CPU, several times as fast as torch.

Torch passes over a photo some sixty times. Here one compiled pass computes everything, row by row, on as many
threads as torch uses. Results differ by rounding, far below one of 255 levels.
"""

import numpy as np
import torch

from wespe.kernels.compiled import on_rows, passes
from wespe.networks.activity import EDGES_PX, LEAST, RANGE, WINDOWS_PX, gaussian_taps
from wespe.networks.lut import Colour, Decision
from wespe.networks.texture import FADE, Texture
from wespe.networks.tone import LEAST_COLOUR, SHOULDER


def textured(photos_nchw: torch.Tensor, colour: Colour, texture: Texture, decision: Decision) -> torch.Tensor:
    """Return what `LutResidual.textured` does, for one photo or tile."""
    run, photo, config = passes(), photos_nchw[0].numpy(), texture.config
    assert run is not None
    height, width = photo.shape[1:]
    enhanced = np.empty((height, width, 3), np.float32)  # the layout of fast convolutions
    numbers = (decision.gain.item(), decision.shift.item(), colour.saturation.item())
    tone = _float32(*numbers, SHOULDER, LEAST_COLOUR, config.quiet, RANGE)
    lut = decision.lut[0].contiguous().numpy()
    colours = colour.curves.numpy(), colour.slopes.numpy(), lut if lut.any() else lut[:0], tone
    rows = on_rows(height)
    if texture.fitted:
        reaches = decision.floor.flatten() + texture.excess + config.noise
        chroma = gaussian_taps(config.chroma_px) if config.chroma_px else np.empty(0, np.float32)
        rows(run.textured, photo)(
            *colours,
            _float32(FADE, LEAST, RANGE),
            texture.gains.numpy(),
            reaches.numpy(),
            tuple(map(gaussian_taps, EDGES_PX)),
            tuple(map(gaussian_taps, WINDOWS_PX)),
            chroma,
            enhanced,
        )
    else:
        rows(run.toned, photo)(*colours, enhanced)
    return torch.from_numpy(enhanced)[None].permute(0, 3, 1, 2)


def _float32(*numbers: float) -> tuple[np.float32, ...]:
    return tuple(map(np.float32, numbers))
