"""Compares the limits of `Gates` with the scores."""

from dataclasses import dataclass
from typing import Literal

from pipeline.evaluation.gains import count, interval_text, too_few
from pipeline.evaluation.scores import Score, by_photo
from pipeline.registry.settings import Gates
from wespe.metrics.interval import mean_interval
from wespe.metrics.table import METRICS, Metric

RULES = 3  # version of the rules; raise it if gates change their decisions, so that models are re-evaluated
MAX_DIGITS = 6
Outcome = Literal["passed", "failed", "not measured", "off"]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The result of one gate, as shown in a table. Only `passed` and `off` let a version through."""

    name: str
    threshold: str
    measured: str
    outcome: Outcome

    @property
    def open(self) -> bool:
        return self.outcome in ("passed", "off")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The value that is compared with a limit, and its text; `why` is the reason if there is none."""

    figure: float | None = None
    text: str = ""
    why: str = ""


def self_checks(scores: list[Score], gates: Gates) -> list[Gate]:
    """Compare all metrics that have a gate with their limits."""
    return [
        _gate(metric, getattr(gates, metric.gate), list(by_photo(scores, "enhanced", name).values()))
        for name, metric in METRICS.items()
        if metric.gate
    ]


def _gate(metric: Metric, limit: float | None, values: list[float]) -> Gate:
    reading = _reading(metric, values, limit)
    return Gate(
        name=metric.label.lower(),
        threshold="none" if limit is None else f"{_bound(metric)} {limit:g} {metric.unit}".rstrip(),
        measured=reading.why or reading.text,
        outcome=_outcome(metric, limit, reading.figure),
    )


def _bound(metric: Metric) -> str:
    return "at least" if _is_floor(metric) else "at most"


def _is_floor(metric: Metric) -> bool:
    return metric.gate.startswith("min_")


def _outcome(metric: Metric, limit: float | None, figure: float | None) -> Outcome:
    if limit is None:
        return "off"
    if figure is None:
        return "not measured"
    passed = figure >= limit if _is_floor(metric) else figure <= limit  # NaN passes neither
    return "passed" if passed else "failed"


def _reading(metric: Metric, values: list[float], limit: float | None) -> Reading:
    if not values:
        return Reading(why="nothing")
    photos = count(len(values))
    if metric.gate_reads != "mean":
        lowest = _is_floor(metric) == (metric.gate_reads == "worst")
        figure = _extreme(values, lowest)
        shown = f"{figure:.{_digits(metric, figure, limit)}f} {metric.unit}".rstrip()
        return Reading(figure=figure, text=f"{shown} at {metric.gate_reads}, {photos}")
    mean = mean_interval(values)
    end = mean["low"] if _is_floor(metric) else mean["high"]
    if end is None:
        return Reading(why=too_few(len(values)))
    digits = _digits(metric, end, limit)
    shown = f"{mean['mean']:.{digits}f} {metric.unit}".rstrip()
    return Reading(figure=end, text=f"{shown} {interval_text(mean, digits)}, {photos}")


def _extreme(values: list[float], lowest: bool) -> float:
    """Return the lowest or highest value; NaN if any value is NaN."""
    if any(value != value for value in values):
        return float("nan")
    return min(values) if lowest else max(values)


def _digits(metric: Metric, figure: float, limit: float | None) -> int:
    """Return enough digits to distinguish the value from the limit, to avoid "0.02, at least 0.02"."""
    digits = metric.digits
    if limit is not None and figure != limit:
        while digits < MAX_DIGITS and round(figure, digits) == round(limit, digits):
            digits += 1
    return digits
