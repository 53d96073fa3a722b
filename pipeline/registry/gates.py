"""What a model has to show by itself before users get it: the thresholds, and what was measured."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.evaluation.scores import Score, by_photo
from pipeline.registry.settings import CAP_DB, Gates
from wespe.metrics.bootstrap import mean_interval

RULES = 2  # to be raised with any change of what a gate lets through, so that models are judged anew
Outcome = Literal["passed", "failed", "not measured", "off"]


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
