"""A camera's scores as aligned text, for the terminal."""

from collections.abc import Iterator

from pipeline.evaluation.gains import answer, interval_text
from pipeline.evaluation.scores import CHANGE, Summary
from pipeline.evaluation.variants import VARIANT_NAMES, VARIANTS
from wespe.metrics.interval import Interval
from wespe.metrics.table import METRICS, Metric

LABEL_WIDTH = 36
ARROWS = {"higher": "↑", "lower": "↓", "": ""}


def score_lines(summary: Summary) -> Iterator[str]:
    """Yield a heading and a line for every score that the enhanced photos have, in the order of METRICS."""
    titles = "".join(f"{VARIANT_NAMES[variant].lower():>17}" for variant in VARIANTS)
    yield f"  {'':{LABEL_WIDTH}}{titles}   change [95 % interval]"
    for name, metric in METRICS.items():
        if name in summary["enhanced"]:
            cells = "".join(_cell(summary[variant].get(name), metric) for variant in VARIANTS)
            change = _change(name, metric, summary[CHANGE].get(name))
            yield f"  {_label(metric):{LABEL_WIDTH}}{cells}{change}".rstrip()


def _label(metric: Metric) -> str:
    return f"{metric.title} {ARROWS[metric.better]}".rstrip()


def _cell(interval: Interval | None, metric: Metric) -> str:
    return f"{'–':>17}" if interval is None else f"{interval['mean']:17.{metric.digits}f}"


def _change(name: str, metric: Metric, interval: Interval | None) -> str:
    if interval is None:
        return ""
    mean, said = f"{interval['mean']:+.{metric.digits}f}", answer(name, interval)
    ends = "" if metric.of_set else f" {interval_text(interval, metric.digits, '+')}"
    return f"   {mean}{ends}" + (f" {said}" if said in ("better", "worse") else "")
