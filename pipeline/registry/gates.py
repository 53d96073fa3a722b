"""What a model has to show by itself before users get it: the thresholds, and what was measured."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.evaluation.scores import VARIANTS, Score, by_photo
from wespe.metrics.bootstrap import mean_interval

YARDSTICKS = tuple(variant for variant in VARIANTS if variant != "enhanced")
RULES = 2  # to be raised with any change of what a gate lets through, so that models are judged anew
CAP_DB = 60.0  # identical photos have infinitely many dB, which no mean survives; nobody sees a 60th
Outcome = Literal["passed", "failed", "not measured", "off"]
RANGES = {
    "min_fidelity_db": (0, CAP_DB),
    "max_noise_gain": (0, 100),
    "min_colour_correlation": (-1, 1),
    "min_contrast_ratio": (0, 1),
    "max_tile_difference": (0, 255),
    "min_megapixels_per_s": (0, 10_000),
}


@dataclass(frozen=True, kw_only=True)
class Gates:
    """What a version must keep to become champion; `null` does not look at a threshold.

    beat: the yardsticks that it must be better than, as well as the champion: on PSNR where photos have a
        truth, with the lower end of the interval of the paired gain above 0, or else on colour distance. That
        is no judge of a histogram match, which is fitted to it: without truths that one is not looked at.
        Of two test photos a model without effect passes one time in four, of ten one in twenty.
    min_fidelity_db: PSNR between photos and their enhanced selves. An inverted photo has about 5.
    max_noise_gain: noise of flat areas, enhanced over untouched, a ratio.
    min_colour_correlation: of enhanced and untouched colours, −1–1. At 0 they are lost, below inverted.
    min_contrast_ratio: of brightness and colours, enhanced over untouched, in the worst photo, 0–1. Near 0
        the model has collapsed, or makes photos grey.
    max_tile_difference: between a piece that is enhanced by itself and the same piece of the enhanced photo,
        in the worst photo, in 8-bit levels. 0 is exact; rounding may cost 1. Methods that look at the whole
        photo differ, on purpose or not (`lut_residual`; instance norm); jobs tile them exactly all the same.
    min_megapixels_per_s: on the machine that evaluates. At 0.02 a photo of 12 megapixels takes ten minutes.

    Where the worst photo is not named, the mean over photos counts, by the worse end of its interval.
    """

    beat: tuple[str, ...] = ("untouched", "histogram_match")
    min_fidelity_db: float | None = 10.0
    max_noise_gain: float | None = 2.0
    min_colour_correlation: float | None = 0.3
    min_contrast_ratio: float | None = 0.2
    max_tile_difference: float | None = None
    min_megapixels_per_s: float | None = 0.02

    def __post_init__(self) -> None:
        if not self.beat or not set(self.beat) <= set(YARDSTICKS):
            raise ValueError(f"beat must name one or more of {', '.join(YARDSTICKS)}, not {list(self.beat)}")
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name} must be between {low:g} and {high:g}, not {value}")


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One gate as a table shows it. Only `passed` and `off` let a version through."""

    name: str
    threshold: str
    measured: str
    outcome: Outcome

    @property
    def open(self) -> bool:
        return self.outcome in ("passed", "off")


@dataclass(frozen=True, kw_only=True)
class Check:
    """A metric of the enhanced photos, and the threshold that it is held against."""

    name: str
    metric: str
    threshold: str
    unit: str = ""
    worst: bool = False  # of all photos, or the mean

    @property
    def floor(self) -> bool:
        return self.threshold.startswith("min_")


CHECKS = (
    Check(name="fidelity", metric="fidelity", threshold="min_fidelity_db", unit=" dB"),
    Check(name="noise gain", metric="noise_gain", threshold="max_noise_gain"),
    Check(name="colour correlation", metric="colour_correlation", threshold="min_colour_correlation"),
    Check(name="contrast ratio", metric="contrast_ratio", threshold="min_contrast_ratio", worst=True),
    Check(
        name="tile difference",
        metric="tile_difference",
        threshold="max_tile_difference",
        unit=" levels",
        worst=True,
    ),
    Check(name="speed", metric="megapixels_per_s", threshold="min_megapixels_per_s", unit=" MP/s"),
)


def self_checks(scores: list[Score], gates: Gates) -> list[Gate]:
    """Hold every self check's metric against its threshold."""
    return [
        _gate(
            check, getattr(gates, check.threshold), list(by_photo(scores, "enhanced", check.metric).values())
        )
        for check in CHECKS
    ]


def count(photos: int) -> str:
    return "1 photo" if photos == 1 else f"{photos} photos"


def _gate(check: Check, limit: float | None, values: list[float]) -> Gate:
    reading, measured = _read(check, values) if values else (None, "nothing")
    return Gate(
        name=check.name,
        threshold=_shown(check, limit),
        measured=measured,
        outcome=_outcome(check, limit, reading),
    )


def _outcome(check: Check, limit: float | None, reading: float | None) -> Outcome:
    if limit is None:
        return "off"
    if reading is None:
        return "not measured"
    passed = reading >= limit if check.floor else reading <= limit  # a nan passes neither
    return "passed" if passed else "failed"


def _read(check: Check, values: list[float]) -> tuple[float, str]:
    """The figure that counts, and how a table shows it."""
    photos = count(len(values))
    if check.worst:
        reading = float((np.min if check.floor else np.max)(values))  # Python's own step over a nan
        return reading, f"{reading:.2f}{check.unit} at worst, {photos}"
    mean = mean_interval([min(value, CAP_DB) for value in values] if check.unit == " dB" else values)
    interval = f"[{mean['low']:.2f}, {mean['high']:.2f}]"
    return mean["low" if check.floor else "high"], f"{mean['mean']:.2f}{check.unit} {interval}, {photos}"


def _shown(check: Check, limit: float | None) -> str:
    if limit is None:
        return "none"
    return f"{'at least' if check.floor else 'at most'} {limit:g}{check.unit}"
