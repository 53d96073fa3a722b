"""Tones through curves, and rolled off where they would be clipped."""

import torch
from torch.nn import functional

LEVELS = 256
SHOULDER = 0.1  # of 0–1: what lies nearer to black or white bends


def rolled_off(tones: torch.Tensor, black: torch.Tensor, white: torch.Tensor) -> torch.Tensor:
    """Bend tones that reach from black to white into 0–1, as film does, where clipping would lose them.

    What already lies within, and all tones in the middle, stay as they are.
    """
    return 1 - _shouldered(1 - _shouldered(tones, white), 1 - black)


def _shouldered(tones: torch.Tensor, white: torch.Tensor) -> torch.Tensor:
    """White becomes 1, if it is more; the slope is 1 where the bend begins, and never 0."""
    excess = functional.relu(white - 1)
    bend = excess / (SHOULDER * (SHOULDER + excess))
    above = functional.relu(tones - (1 - SHOULDER))
    return tones - above + above / (1 + bend * above)


def apply_curves(photos_nchw: torch.Tensor, curves: torch.Tensor) -> torch.Tensor:
    """Send each channel, 0–1, through its curve (channels, levels), straight between levels."""
    last = curves.shape[1] - 1
    places = photos_nchw.clamp(0, 1) * last
    below = places.nan_to_num().floor().long().clamp(max=last - 1)  # a NaN has no place, and stays one
    channel = torch.arange(len(curves), device=curves.device).view(1, -1, 1, 1)
    return torch.lerp(curves[channel, below], curves[channel, below + 1], places - below)
