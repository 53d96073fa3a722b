"""All scores beside the yardsticks, as rows that a template can draw."""

from dataclasses import dataclass

from pipeline.evaluation.scores import GAIN, Summary
from pipeline.report.glossary import GROUPS, HIGHER, MEANINGS, NEITHER, VARIANT_NAMES, Meaning, meaning
from pipeline.report.rendering import number

# What the page is about comes first, since a phone shows three columns.
COLUMNS = ("untouched", "enhanced", GAIN, "histogram_match", "auto_enhance")
KINDS = {"enhanced": "ours", GAIN: "gained"}


@dataclass(frozen=True, kw_only=True)
class Column:
    name: str
    kind: str = ""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """`interval` is empty where a score belongs to the whole set; `verdict` is "better" or "worse"."""

    mean: str
    interval: str = ""
    best: bool = False
    verdict: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    metric: str
    meaning: Meaning
    cells: list[Cell]


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """`groups` are titles with their rows."""

    columns: list[Column]
    groups: list[tuple[str, list[Row]]]


def score_table(summary: Summary) -> ScoreTable:
    """Lay out means, intervals and the gain over the untouched photo."""
    shown = [column for column in COLUMNS if column in summary]
    rows = [_row(metric, summary, shown) for metric in sorted(summary["enhanced"], key=_order)]
    groups = [(title, [row for row in rows if row.meaning.group == title]) for title in GROUPS]
    names = VARIANT_NAMES | {GAIN: "Gain over untouched"}
    return ScoreTable(
        columns=[Column(name=names[column], kind=KINDS.get(column, "")) for column in shown],
        groups=[(title, found) for title, found in groups if found],
    )


def _order(metric: str) -> int:
    return list(MEANINGS).index(metric) if metric in MEANINGS else len(MEANINGS)


def _row(metric: str, summary: Summary, columns: list[str]) -> Row:
    words = meaning(metric)
    intervals = {column: summary[column].get(metric) for column in columns}
    best = _best(words, [i["mean"] for column, i in intervals.items() if i and column != GAIN])
    cells = [
        _gain(words, interval) if column == GAIN else _cell(interval, words.digits, best)
        for column, interval in intervals.items()
    ]
    return Row(metric=metric, meaning=words, cells=cells)


def _best(words: Meaning, means: list[float]) -> float | None:
    if words.better == NEITHER or len(set(means)) < 2:
        return None
    return max(means) if words.better == HIGHER else min(means)


def _cell(interval: dict[str, float] | None, digits: int, best: float | None) -> Cell:
    if interval is None:
        return Cell(mean="–")
    mean = number(interval["mean"], digits)
    return Cell(
        mean=mean, interval=_ends(interval, digits), best=best is not None and mean == number(best, digits)
    )


def _gain(words: Meaning, interval: dict[str, float] | None) -> Cell:
    """A gain is better or worse only if its whole interval is."""
    if interval is None:
        return Cell(mean="–")
    sign = (interval["low"] > 0) - (interval["high"] < 0)
    verdict = {HIGHER: {1: "better", -1: "worse"}, NEITHER: {}}.get(words.better, {1: "worse", -1: "better"})
    return Cell(
        mean=number(interval["mean"], words.digits, signed=True),
        interval=_ends(interval, words.digits, signed=True),
        verdict=verdict.get(sign, ""),
    )


def _ends(interval: dict[str, float], digits: int, signed: bool = False) -> str:
    if interval["low"] == interval["high"]:
        return ""
    return " … ".join(number(interval[end], digits, signed) for end in ("low", "high"))
