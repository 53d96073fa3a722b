"""Measures and describes how a photo changed: brightness, warmth, colour, and PSNR."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

LUMA = (0.299, 0.587, 0.114)
LEAST_PERCENT, LEAST_LEVELS = 1, 1  # smaller changes are hardly visible


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Changes from before to after.

    psnr: in dB, infinite for equal photos. brightness, colour: in percent. warmth: in 8-bit levels.
    """

    psnr: float
    brightness: float
    warmth: float
    colour: float

    def words(self) -> tuple[str, str, str]:
        """Describe the change of brightness, warmth and colour."""
        return (
            _by(self.brightness, "brighter", "darker", "as bright", "%", LEAST_PERCENT),
            _by(self.warmth, "warmer", "cooler", "as warm", "levels", LEAST_LEVELS),
            _by(self.colour, "more colourful", "less colourful", "as colourful", "%", LEAST_PERCENT),
        )


def difference(before_hwc: np.ndarray, after_hwc: np.ndarray) -> Difference:
    """Compare two uint8 photos of the same size.

    Brightness: mean luma. Warmth: mean of red − blue. Colour: mean of largest − smallest channel.
    """
    square = np.mean(np.square(before_hwc.astype(np.float32) - after_hwc), dtype=np.float64)
    means = [photo.mean((0, 1), dtype=np.float64) for photo in (before_hwc, after_hwc)]
    lumas = [float(mean @ LUMA) for mean in means]
    warmths = [float(mean[0] - mean[2]) for mean in means]
    colours = [float(np.ptp(photo, axis=2).mean(dtype=np.float64)) for photo in (before_hwc, after_hwc)]
    return Difference(
        psnr=float(10 * np.log10(255**2 / square)) if square else float("inf"),
        brightness=_percent(*lumas),
        warmth=warmths[1] - warmths[0],
        colour=_percent(*colours),
    )


def mean_difference(differences: Sequence[Difference]) -> Difference:
    """Return the mean of each number over photos."""
    return Difference(
        psnr=fmean(one.psnr for one in differences),
        brightness=fmean(one.brightness for one in differences),
        warmth=fmean(one.warmth for one in differences),
        colour=fmean(one.colour for one in differences),
    )


def _percent(before: float, after: float) -> float:
    return 100 * (after - before) / max(before, 1.0)  # avoids infinite changes from black or grey


def _by(value: float, more: str, less: str, equal: str, unit: str, least: float) -> str:
    if abs(value) < least:
        return equal
    return f"{more if value > 0 else less} by {abs(value):.0f}\N{NO-BREAK SPACE}{unit}"
