"""The table of all scores and baselines, as rows for a template."""

from dataclasses import dataclass

from pipeline.evaluation.gains import answer
from pipeline.evaluation.scores import CHANGE, Summary
from pipeline.evaluation.variants import VARIANT_NAMES
from pipeline.report.rendering import interval_text, number
from wespe.metrics.interval import Interval
from wespe.metrics.table import GROUPS, METRICS, Metric

# The most important columns come first, since a phone shows only three.
COLUMNS = ("untouched", "enhanced", CHANGE, "start", "histogram_match", "auto_enhance")
KINDS = {"enhanced": "ours", CHANGE: "changed"}
TOO_SMALL = "n too small"


@dataclass(frozen=True, kw_only=True)
class Column:
    name: str
    kind: str = ""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell. interval: empty for a score of the whole set. answer: "better", "worse", or empty."""

    mean: str
    interval: str = ""
    best: bool = False
    answer: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    name: str
    metric: Metric
    cells: list[Cell]


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """The whole table. groups: titles and their rows."""

    columns: list[Column]
    groups: list[tuple[str, list[Row]]]


def score_table(summary: Summary) -> ScoreTable:
    """Lay out means, intervals and the change from the untouched photo."""
    shown = [column for column in COLUMNS if column in summary]
    rows = [
        _row(name, metric, summary, shown) for name, metric in METRICS.items() if name in summary["enhanced"]
    ]
    groups = [(title, [row for row in rows if row.metric.group == title]) for title in GROUPS.values()]
    names = VARIANT_NAMES | {CHANGE: "Change from untouched"}
    return ScoreTable(
        columns=[Column(name=names[column], kind=KINDS.get(column, "")) for column in shown],
        groups=[(title, found) for title, found in groups if found],
    )


def _row(name: str, metric: Metric, summary: Summary, columns: list[str]) -> Row:
    intervals = {column: summary[column].get(name) for column in columns}
    best = _best(metric, [i["mean"] for column, i in intervals.items() if i and column != CHANGE])
    cells = [
        _change(name, metric, interval) if column == CHANGE else _cell(metric, interval, best)
        for column, interval in intervals.items()
    ]
    return Row(name=name, metric=metric, cells=cells)


def _best(metric: Metric, means: list[float]) -> float | None:
    if not metric.better or len(set(means)) < 2:
        return None
    return max(means) if metric.better == "higher" else min(means)


def _cell(metric: Metric, interval: Interval | None, best: float | None) -> Cell:
    if interval is None:
        return Cell(mean="–")
    mean = number(interval["mean"], metric.digits)
    is_best = best is not None and mean == number(best, metric.digits)
    return Cell(mean=mean, interval=_ends(metric, interval), best=is_best)


def _change(name: str, metric: Metric, interval: Interval | None) -> Cell:
    if interval is None:
        return Cell(mean="–")
    said = answer(name, interval)
    return Cell(
        mean=number(interval["mean"], metric.digits, signed=True),
        interval=_ends(metric, interval, signed=True),
        answer=said if said in ("better", "worse") else "",
    )


def _ends(metric: Metric, interval: Interval, signed: bool = False) -> str:
    if metric.of_set:
        return ""
    return interval_text(interval, metric.digits, signed) or TOO_SMALL
