"""Tone curves, highlight and shadow roll-off instead of clipping, and saturation limited to the gamut."""

import torch
from torch.nn import functional

from wespe.views import texture_view

LEVELS = 256
LEAST_COLOUR = 1e-3  # 0–1; smaller differences from grey count as grey
SHOULDER = 0.1  # 0–1; roll-off applies to tones closer than this to black or white


def rolled_off(tones: torch.Tensor, black: torch.Tensor, white: torch.Tensor) -> torch.Tensor:
    """Compress tones between `black` and `white` smoothly into 0–1, as film does, instead of clipping them.

    If the range already fits, tones do not change; nor do tones outside the shoulders.
    """
    return 1 - _shouldered(1 - _shouldered(tones, white), 1 - black)


def _shouldered(tones: torch.Tensor, white: torch.Tensor) -> torch.Tensor:
    """Map `white` to 1 if it is above 1. The slope is 1 at the start of the shoulder, and always above 0."""
    excess = functional.relu(white - 1)
    bend = excess / (SHOULDER * (SHOULDER + excess))
    above = functional.relu(tones - (1 - SHOULDER))
    return tones - above + above / (1 + bend * above)


def saturated(tones: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Multiply saturation by a factor (), or by less where a channel would leave 0–1."""
    grey = texture_view(tones)
    colour = tones - grey
    above, below = colour.amax(1, keepdim=True), -colour.amin(1, keepdim=True)
    limits = (1 - grey) / above.clamp(min=LEAST_COLOUR), grey / below.clamp(min=LEAST_COLOUR)
    room = (torch.minimum(*limits) - 1).clamp(min=0)  # how much further the colour could go
    wanted = factor - 1
    return grey + (1 + torch.where(wanted > 0, within(wanted, room), wanted)) * colour


def within(wanted: torch.Tensor, room: torch.Tensor) -> torch.Tensor:
    """Limit signed changes smoothly, so that their size stays below `room`, which is at least 0."""
    return wanted * room / (room.square() + wanted.square()).clamp(min=1e-12).sqrt()


def apply_curves(photos_nchw: torch.Tensor, curves: torch.Tensor) -> torch.Tensor:
    """Apply to each channel, 0–1, its curve (channels, levels), with linear interpolation."""
    last = curves.shape[1] - 1
    places = photos_nchw.clamp(0, 1) * last
    below = places.nan_to_num().floor().long().clamp(max=last - 1)  # NaN is no valid index; the result is NaN
    channel = torch.arange(len(curves), device=curves.device).view(1, -1, 1, 1)
    return torch.lerp(curves[channel, below], curves[channel, below + 1], places - below)
