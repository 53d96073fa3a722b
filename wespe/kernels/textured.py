"""Colour and texture of `LutResidual` on a CPU, several times as fast as torch.

Torch passes over a photo some sixty times. Here each step of the reference is one compiled pass, on as many
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
    run, photo = passes(), photos_nchw[0].numpy()
    assert run is not None
    height, width = photo.shape[1:]
    rows = on_rows(height)

    def planes(*shape: int) -> np.ndarray:
        return np.empty((*shape, height, width), np.float32)

    tones, luma, louder, limit = planes(3), planes(), planes(), planes()
    gain, shift = (np.float32(value.item()) for value in (decision.gain, decision.shift))
    curves, slopes = colour.curves.numpy(), colour.slopes.numpy()
    saturation = np.float32(colour.saturation.item())
    quiet, span = np.float32(texture.config.quiet), np.float32(RANGE)
    constants = np.float32(SHOULDER), np.float32(LEAST_COLOUR), quiet, span
    rows(run.colour, photo)(curves, slopes, gain, shift, saturation, *constants, tones, luma, louder, limit)
    lut = decision.lut[0].numpy()
    if lut.any():
        rows(run.interpolate, tones)(np.ascontiguousarray(lut), luma)
    if not texture.fitted:
        return torch.from_numpy(tones)[None]

    change, band, square, spread, coarse = np.zeros_like(luma), planes(), planes(), planes(), planes()
    fine, floor = luma, decision.floor.flatten().numpy()
    excess, gains = texture.excess.numpy(), texture.gains.numpy()
    for number, (edge, window) in enumerate(zip(EDGES_PX, WINDOWS_PX, strict=True)):
        rows(run.blur, luma)(gaussian_taps(edge), coarse)
        rows(run.squared_difference, fine, coarse)(band, square)
        rows(run.blur, square)(gaussian_taps(window), spread)
        reach = np.float32(floor[number] + excess[number] + texture.config.noise)
        rows(run.change_of_band, band, spread, louder, limit)(
            gains[number], reach, np.float32(FADE), np.float32(LEAST), span, change
        )
        fine, coarse = coarse, (planes() if fine is luma else fine)
    calm = planes(2)
    rows(run.chroma, tones, luma)(calm)
    if texture.config.chroma_px:
        for plane in calm:
            rows(run.blur, plane)(gaussian_taps(texture.config.chroma_px), spread)
            plane[:] = spread
    enhanced = np.empty((height, width, 3), np.float32).transpose(2, 0, 1)  # the layout of fast convolutions
    rows(run.joined, luma, calm, change)(enhanced)
    return torch.from_numpy(enhanced)[None]
