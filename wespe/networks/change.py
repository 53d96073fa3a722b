"""Carries what a network did to a reduced photo over to the photo at full size, with its edges and detail.

As in the fast guided filter (He & Sun 2015), but without its smoothing: at the reduced size, the result is
exactly the network's.
"""

from typing import NamedTuple

import torch
from torch.nn import functional

from wespe.generator import Place

WINDOW_PX = 5  # of the reduced photo
LEAST_VARIANCE = 3e-4  # of 0–1; flatter windows have the change added instead of multiplied


class Change(NamedTuple):
    """maps: (n, 6, rows, columns), per place a gain for each channel, and an offset for each channel."""

    maps: torch.Tensor


def fit_change(before: torch.Tensor, after: torch.Tensor) -> Change:
    """Split the change from reduced photos `before` to `after`, (n, 3, rows, columns), into gain and offset.

    In each window and channel, the gain is the slope of the change over the photo's tones, as in the guided
    filter (He et al. 2010): detail that the reduced photo lacks is scaled like what surrounds it. The offset
    is the rest.
    """
    difference = after - before
    variance = _mean(before * before) - _mean(before).square()
    covariance = _mean(before * difference) - _mean(before) * _mean(difference)
    gain = _mean(covariance / (variance.clamp(min=0) + LEAST_VARIANCE))
    return Change(torch.cat([gain, difference - gain * before], 1))


def apply_change(photos_nchw: torch.Tensor, change: Change, place: Place | None = None) -> torch.Tensor:
    """Change whole photos, or a tile at `place`."""
    gain, offset = _enlarged(change.maps, photos_nchw, place).chunk(2, 1)
    return photos_nchw + gain * photos_nchw + offset


def _enlarged(maps: torch.Tensor, photos_nchw: torch.Tensor, place: Place | None) -> torch.Tensor:
    """Interpolate maps of a whole photo bilinearly at each pixel of the photo, or of its tile."""
    height, width = photos_nchw.shape[-2:]
    place = place or Place(0, 0, height, width)
    down = (torch.arange(height, device=maps.device) + place.top + 0.5) / place.height * 2 - 1
    across = (torch.arange(width, device=maps.device) + place.left + 0.5) / place.width * 2 - 1
    places = torch.stack(
        [across.to(maps).expand(height, width), down.to(maps)[:, None].expand(height, width)], dim=-1
    )
    return functional.grid_sample(
        maps, places.expand(len(maps), -1, -1, -1), padding_mode="border", align_corners=False
    )


def _mean(maps: torch.Tensor) -> torch.Tensor:
    """Average over windows; at the border, over the part of the window within the photo."""
    return functional.avg_pool2d(maps, WINDOW_PX, stride=1, padding=WINDOW_PX // 2, count_include_pad=False)
