"""Flicker of an enhanced film: how much it changes over time at places where its source hardly changes."""

from typing import NamedTuple

import torch
from torch.nn import functional

AREA_PX = 8  # the eye sees areas that change; their means hold little of the noise
STATIC_LEVELS = 2.0  # change of the source's area, in 8-bit levels, up to which it counts as static
LEAST_LEVELS = 0.05  # added on both sides of ratios, which a source without any change would make infinite
RED, BLUE = 0.299, 0.114  # BT.601


class Flicker(NamedTuple):
    """Mean changes from frame to frame at static places, in 8-bit levels.

    luma, chroma: of areas. noise: of single pixels' luma, as a standard deviation within a frame.
    static: 0–1, the share of static places.
    """

    luma: float
    chroma: float
    noise: float
    static: float

    def over(self, source: "Flicker") -> "Flicker":
        """Return the ratios to the source's."""
        luma, chroma, noise = (
            (one + LEAST_LEVELS) / (other + LEAST_LEVELS)
            for one, other in zip(self[:3], source[:3], strict=True)
        )
        return Flicker(luma, chroma, noise, self.static)


class FlickerMeter:
    """Sums the changes of both films, frame by frame; memory does not grow."""

    def __init__(self) -> None:
        self._before: tuple[torch.Tensor, torch.Tensor] | None = None
        self._sums = torch.zeros(2, 3, dtype=torch.float64)
        self._static, self._areas = 0, 0

    def update(self, source_nchw: torch.Tensor, result_nchw: torch.Tensor) -> None:
        """Add the next frame of both, (1, 3, h, w), float 0–1."""
        now = _ycc(source_nchw), _ycc(result_nchw)
        if self._before is not None:
            changes = [after - before for before, after in zip(self._before, now, strict=True)]
            areas = [functional.avg_pool2d(one, AREA_PX) for one in changes]
            static = areas[0].abs().amax(1, keepdim=True) <= STATIC_LEVELS
            for sums, area, pixels in zip(self._sums, areas, changes, strict=True):
                spread = functional.avg_pool2d(pixels[:, :1].square(), AREA_PX)
                kinds = _luma(area), _chroma(area), spread
                sums += torch.stack([one[static].sum() for one in kinds])
            self._static, self._areas = self._static + int(static.sum()), self._areas + static.numel()
        self._before = now

    def cut(self) -> None:
        """Forget the frame before: nothing is compared over a cut."""
        self._before = None

    @property
    def source(self) -> Flicker:
        return self._of(self._sums[0])

    @property
    def result(self) -> Flicker:
        return self._of(self._sums[1])

    def _of(self, sums: torch.Tensor) -> Flicker:
        luma, chroma, squares = (sums / max(1, self._static)).tolist()
        # The difference of two frames has twice the variance of one.
        return Flicker(luma, chroma, (squares / 2) ** 0.5, self._static / max(1, self._areas))


def _luma(areas: torch.Tensor) -> torch.Tensor:
    return areas[:, :1].abs()


def _chroma(areas: torch.Tensor) -> torch.Tensor:
    return areas[:, 1:].abs().mean(1, keepdim=True)


def _ycc(photos_nchw: torch.Tensor) -> torch.Tensor:
    """Return luma and colour differences, in 8-bit levels."""
    red, green, blue = (255 * photos_nchw).split(1, 1)
    luma = RED * red + (1 - RED - BLUE) * green + BLUE * blue
    return torch.cat([luma, (blue - luma) / (2 - 2 * BLUE), (red - luma) / (2 - 2 * RED)], 1)
