"""Texture transform without training: matches the local activity of each luma band to the target set's."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from wespe.networks.activity import EDGES_PX, RANGE, Noise, activity, bands, blurred
from wespe.networks.tone import LEVELS, apply_curves, within
from wespe.views import texture_view

FADE = 0.02  # width, in activity, of the transition between noise and detail; about a sixth in amplitude


@dataclass(frozen=True, kw_only=True)
class TextureConfig:
    """Strength and limits of the texture transform.

    match: how far activity is moved, from unchanged (0) to a full match with the target set (1), on its
        logarithmic scale.
    most: maximum gain of a band. There is no minimum: noise may be removed completely.
    noise: activity up to this much above the photo's noise floor counts as noise (0.1 is a factor of 2.3).
    quiet: maximum noise of the result, relative to the camera's photo. Without it, the colour transform would
        amplify noise, and unusually noisy photos would even be sharpened.
    chroma_px: standard deviation of the Gaussian that denoises chroma; 0 disables it.
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
    """photos_nchw → photos_nchw, 0–1: scales each luma band by a gain that depends on its local activity.

    Flat areas contain noise and busy areas contain detail. Matching the distributions of activity of both
    sets, as a histogram match does with levels, removes noise and adds detail.

    The buffers are saved with the weights. gains: (3, 256), by band and activity. excess: (3,), how much
    higher `activity` is than `block_activity` in the same flat area. fitted: 0 or 1; before fitting, photos
    do not change.
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
