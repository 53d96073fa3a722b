"""Tones through curves, rolled off where they would be clipped, and colours as vivid as there is room for."""

import torch
from torch.nn import functional

from wespe.views import texture_view

LEVELS = 256
LEAST_COLOUR = 1e-3  # of 0–1: less is grey
SHOULDER = 0.1  # of 0–1: what lies nearer to black or white bends


def rolled_off(tones: torch.Tensor, black: torch.Tensor, white: torch.Tensor) -> torch.Tensor:
    """Bend tones that reach from black to white into 0–1, as film does, where clipping would lose them.

    A range that already fits stays as it is, and so do tones further than the shoulder from the ends.
    """
    return 1 - _shouldered(1 - _shouldered(tones, white), 1 - black)


def _shouldered(tones: torch.Tensor, white: torch.Tensor) -> torch.Tensor:
    """White becomes 1, if it is more; the slope is 1 where the bend begins, and never 0."""
    excess = functional.relu(white - 1)
    bend = excess / (SHOULDER * (SHOULDER + excess))
    above = functional.relu(tones - (1 - SHOULDER))
    return tones - above + above / (1 + bend * above)


def saturated(tones: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Move colours, 0–1, away from their grey by a factor (); less where a channel would leave 0–1."""
    grey = texture_view(tones)
    colour = tones - grey
    above, below = colour.amax(1, keepdim=True), -colour.amin(1, keepdim=True)
    limits = (1 - grey) / above.clamp(min=LEAST_COLOUR), grey / below.clamp(min=LEAST_COLOUR)
    room = (torch.minimum(*limits) - 1).clamp(min=0)  # how much further the colour could go
    wanted = factor - 1
    return grey + (1 + torch.where(wanted > 0, within(wanted, room), wanted)) * colour


def within(wanted: torch.Tensor, room: torch.Tensor) -> torch.Tensor:
    """Steps of either sign, smoothly kept shorter than the room they have, at least 0."""
    return wanted * room / (room.square() + wanted.square()).clamp(min=1e-12).sqrt()


def apply_curves(photos_nchw: torch.Tensor, curves: torch.Tensor) -> torch.Tensor:
    """Send each channel, 0–1, through its curve (channels, levels), straight between levels."""
    last = curves.shape[1] - 1
    places = photos_nchw.clamp(0, 1) * last
    below = places.nan_to_num().floor().long().clamp(max=last - 1)  # a NaN has no place, and stays one
    channel = torch.arange(len(curves), device=curves.device).view(1, -1, 1, 1)
    return torch.lerp(curves[channel, below], curves[channel, below + 1], places - below)
