"""Random changes of light and colour, such as weak cameras make; a network learns to undo them.

Each photo of the target set gets its own: too little light, shadows that sink, dark corners, a colour cast, a
hard or soft tone curve, haze, pale colours. They cover any camera, and need none of its photos.
"""

import torch
from torch.nn import functional

from wespe.views import texture_view

# The ranges of one photo, at strength 1. EV: stops, factors of two in light.
EXPOSURE_EV, EXPOSURE_SPREAD_EV, EXPOSURE_LIMITS_EV = -0.25, 0.4, (-1.5, 0.4)
CONTRAST = (-0.05, 0.75)  # growth of differences between large areas: shadows sink, local contrast stays
CORNERS_EV = (-0.1, 0.8)  # light lost in the corners
CAST_EV = 0.12  # standard deviation of each channel's gain
CURVE = (-0.25, 0.35)  # from a soft to a hard tone curve
SHADOW_CAST = 0.02  # of 0–1, standard deviation
HAZE, AIR, AIR_CAST = (-0.2, 0.2), (0.6, 0.95), 0.03  # share of light from the air, 0 for half of the photos
SATURATION = (0.6, 1.05)
NOISE = 0.008  # of 0–1, standard deviation
BRIGHT_SHARE = 0.85  # the quantile of brightness that contrast does not move
AREA = 1 / 21  # radius of the areas that `CONTRAST` distinguishes, as a share of the photo's side
SHOULDER = 0.2  # 0–1; half of the photos clip, half roll off
GAMMA, LEAST_LIGHT = 2.2, 1e-4
EDGE = 0.5  # squared stops; larger differences are edges, which areas do not blur


@torch.no_grad()
def regraded(
    photos_nchw: torch.Tensor, random: torch.Generator | None = None, strength: float = 1.0
) -> torch.Tensor:
    """Change the light and colour of whole photos, float 0–1, each in its own way.

    random: on the photos' device. strength: 0 only adds noise; 1 is typical of weak cameras.
    """
    with torch.autocast(photos_nchw.device.type, enabled=False):
        draw = _Draw(photos_nchw, random)
        light = photos_nchw.clamp(min=0).pow(GAMMA) * (strength * _stops(photos_nchw, draw)).exp2()
        tones = _exposed(light.pow(1 / GAMMA), draw, strength)
        return _printed(tones, draw, strength).clamp(0, 1)


class _Draw:
    """Draws numbers for each photo, (n, channels, 1, 1)."""

    def __init__(self, photos_nchw: torch.Tensor, random: torch.Generator | None):
        self._photos, self._random = photos_nchw, random

    def uniform(self, low: float, high: float) -> torch.Tensor:
        drawn = torch.rand(len(self._photos), 1, 1, 1, device=self._photos.device, generator=self._random)
        return low + (high - low) * drawn

    def normal(self, deviation: float, channels: int = 1) -> torch.Tensor:
        shape = len(self._photos), channels, 1, 1
        return deviation * torch.randn(shape, device=self._photos.device, generator=self._random)

    def noise(self, deviation: float) -> torch.Tensor:
        shape = self._photos.shape
        return deviation * torch.randn(shape, device=self._photos.device, generator=self._random)


def _stops(photos_nchw: torch.Tensor, draw: _Draw) -> torch.Tensor:
    """Return the change of light at each pixel and channel, in stops."""
    light = texture_view(photos_nchw.pow(GAMMA)).clamp(min=LEAST_LIGHT).log2()
    areas = _areas(light, max(1, round(AREA * min(photos_nchw.shape[-2:]))))
    bright = areas.flatten(1).quantile(BRIGHT_SHARE, dim=1)[:, None, None, None]
    exposure = (EXPOSURE_EV + draw.normal(EXPOSURE_SPREAD_EV)).clamp(*EXPOSURE_LIMITS_EV)
    contrast = draw.uniform(*CONTRAST) * (areas - bright)
    corners = -draw.uniform(*CORNERS_EV) * _squared_distance(photos_nchw)
    return exposure + contrast + corners + draw.normal(CAST_EV, 3)


def _areas(light: torch.Tensor, radius_px: int) -> torch.Tensor:
    """Smooth without blurring edges: the guided filter (He et al. 2010) with the image as its own guide."""
    mean = _averaged(light, radius_px)
    variance = (_averaged(light.square(), radius_px) - mean.square()).clamp(min=0)
    slope = variance / (variance + EDGE)
    return _averaged(slope, radius_px) * light + _averaged(mean - slope * mean, radius_px)


def _averaged(values: torch.Tensor, radius_px: int) -> torch.Tensor:
    padded = functional.pad(values, (radius_px,) * 4, mode="replicate")
    side = 2 * radius_px + 1
    return functional.avg_pool2d(functional.avg_pool2d(padded, (side, 1), 1), (1, side), 1)


def _squared_distance(photos_nchw: torch.Tensor) -> torch.Tensor:
    """Return the squared distance from the photo's centre, 1 in the corners, (1, 1, h, w)."""
    down, across = (torch.linspace(-1, 1, side, device=photos_nchw.device) for side in photos_nchw.shape[-2:])
    return ((down[:, None].square() + across.square()) / 2)[None, None]


def _exposed(tones: torch.Tensor, draw: _Draw, strength: float) -> torch.Tensor:
    """Clip highlights, or roll them off, as cameras do."""
    start = 1 - SHOULDER
    rolled = torch.where(tones > start, start + SHOULDER * ((tones - start) / SHOULDER).tanh(), tones)
    return torch.where(draw.uniform(0, 1) < strength / 2, rolled, tones.clamp(max=1))


def _printed(tones: torch.Tensor, draw: _Draw, strength: float) -> torch.Tensor:
    """Apply a tone curve, a cast of the shadows, haze and saturation; add noise."""
    curve = strength * draw.uniform(*CURVE)
    tones = tones + 2.4 * curve * (tones - 0.5) * tones * (1 - tones)
    tones = tones + strength * draw.normal(SHADOW_CAST, 3) * (1 - tones).square()
    haze = strength * draw.uniform(*HAZE).clamp(min=0)
    tones = torch.lerp(tones, draw.uniform(*AIR) + draw.normal(AIR_CAST, 3), haze)
    grey = texture_view(tones)
    saturation = 1 + strength * (draw.uniform(*SATURATION) - 1)
    return grey + (tones - grey) * saturation + draw.noise(NOISE)
