"""Texture without training: each band of luma gets the local activity that the target set has."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from wespe.networks.activity import EDGES_PX, RANGE, Noise, activity, bands, blurred
from wespe.networks.tone import LEVELS, apply_curves, within
from wespe.views import texture_view

FADE = 0.02  # of activity: about a sixth


@dataclass(frozen=True, kw_only=True)
class TextureConfig:
    """How far texture moves to the target's.

    match: from a photo's own activity (0) to what the match of the sets asks for (1), in its logarithm.
    most: how much a band may grow, at most. It may shrink to nothing, as noise does.
    noise: how far above a photo's own quietest places noise reaches, in activity (0.1 is 2.3 times as much).
    quiet: how loud it may be in the end, at most, in times of what the camera's photo had. Colour makes noise
        louder, and photos noisier than their set would even be sharpened.
    chroma_px: deviation of the Gaussian over what is not luma, which holds noise and little detail; 0: none.
    """

    match: float = 0.8
    most: float = 2.0
    noise: float = 0.1
    quiet: float = 0.9
    chroma_px: float = 1.5

    def __post_init__(self) -> None:
        if not 0 <= self.match <= 1:
            raise ValueError(f"match must be at least 0 and at most 1, not {self.match}")
        if self.most < 1:
            raise ValueError(f"most must be at least 1, not {self.most}")
        if not 0 <= self.noise <= 1:
            raise ValueError(f"noise must be at least 0 and at most 1, not {self.noise}")
        if self.quiet < 0:
            raise ValueError(f"quiet must be at least 0, not {self.quiet}")
        if not 0 <= self.chroma_px <= 8:
            raise ValueError(f"chroma_px must be at least 0 and at most 8, not {self.chroma_px}")


class Texture(nn.Module):
    """photos_nchw → photos_nchw, 0–1: scales each band of luma by a gain that depends on its activity there.

    Flat areas hold noise, busy ones detail; the two sets differ in both, and monotone matching of how active
    places are (as a histogram match does with levels) takes away the one and gives the other.
    gains (3, 256) by band and level of activity, and excess (3), of a band's activity over a block's unrest:
    fitted, and kept with the weights, as is `fitted`, 0 or 1: until then nothing is changed.
    """

    gains: torch.Tensor
    excess: torch.Tensor
    fitted: torch.Tensor

    def __init__(self, config: TextureConfig):
        super().__init__()
        self.config = config
        self.register_buffer("gains", torch.ones(len(EDGES_PX), LEVELS))
        self.register_buffer("excess", torch.zeros(len(EDGES_PX)))
        self.register_buffer("fitted", torch.zeros(()))

    def forward(self, photos_nchw: torch.Tensor, noise: Noise) -> torch.Tensor:
        with torch.autocast(photos_nchw.device.type, enabled=False):
            luma = texture_view(photos_nchw)
            split = bands(luma)
            active = activity(split)
            gains = apply_curves(active, self.gains)
            reach = noise.floor + noise.louder.log() / RANGE + self.excess[:, None, None] + self.config.noise
            noisy = torch.sigmoid((reach - active) / FADE)
            gains = gains - self.fitted * noisy * functional.relu(gains - self.config.quiet / noise.louder)
            calm = (luma + self._chroma(photos_nchw - luma)).clamp(0, 1)
            change = (split * (gains - 1)).sum(1, keepdim=True)
            room = torch.where(change > 0, 1 - calm.amax(1, keepdim=True), calm.amin(1, keepdim=True))
            return calm + within(change, room)

    def _chroma(self, differences_nchw: torch.Tensor) -> torch.Tensor:
        if not self.config.chroma_px:
            return differences_nchw
        return torch.lerp(differences_nchw, blurred(differences_nchw, self.config.chroma_px), self.fitted)
