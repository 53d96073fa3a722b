"""CARD.md: a model's card as people read it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.evaluation.gains import interval_text
from pipeline.evaluation.scores import CHANGE
from pipeline.evaluation.variants import VARIANT_NAMES, VARIANTS
from pipeline.models.card import UNSTATED, Card
from wespe.metrics.table import METRICS

ARROWS = {"higher": "↑", "lower": "↓"}


def card_page(card: Card) -> str:
    """Render a card as Markdown; the same card gives the same page."""
    return "\n".join(line for part in _parts(card) for line in part) + "\n"


def _parts(card: Card) -> Iterator[list[str]]:
    yield [f"# {card.name} {card.version}", ""]
    if card.summary:
        yield [_plain(card.summary), ""]
    cameras = ", ".join(map(str, card.cameras)) or "none stated: choose it with `--model`"
    facts = {"licence of the weights": card.licence, "cameras": cameras}
    facts |= {
        "method": card.method,
        "preset": card.preset,
        "gates": card.verdict,
        "how to cite": card.citation,
    }
    yield ["| | |", "|---|---|", *(f"| {name} | {_plain(value)} |" for name, value in facts.items()), ""]
    yield ["## Learned from", "", *_sets(card), ""]
    yield ["## Scores", "", *_scores(card), ""]
    yield ["## Limits", "", *([f"- {_plain(limit)}" for limit in card.limits] or [f"{UNSTATED}."]), ""]
    yield ["## Use", "", f"    wespe enhance PHOTO --model {card.name}"]


def _sets(card: Card) -> list[str]:
    if not card.sets:
        return [f"{UNSTATED}."]
    rows = [(one.name, one.role, one.licence, one.commercial_use) for one in card.sets]
    return _table(("set", "used for", "licence", "commercial use"), rows)


def _scores(card: Card) -> list[str]:
    variants = [name for name in (*VARIANTS, CHANGE) if name in card.scores]
    metrics = [name for name in METRICS if any(name in card.scores[variant] for variant in variants)]
    if not metrics:
        return ["Not measured."]
    names = {**VARIANT_NAMES, CHANGE: "Change"}
    rows = [
        (_label(metric), *(_cell(metric, card.scores[variant].get(metric)) for variant in variants))
        for metric in metrics
    ]
    head = ["Means of the test photos, with 95 % intervals; the change is enhanced − untouched.", ""]
    return head + _table(("", *(names[variant] for variant in variants)), rows)


def _label(metric: str) -> str:
    row = METRICS[metric]
    unit = f", {row.unit}" if row.unit else ""
    return f"{row.label}{unit} {ARROWS.get(row.better, '')}".strip()


def _cell(metric: str, value: Mapping[str, Any] | None) -> str:
    if not value:
        return "–"
    digits, interval = METRICS[metric].digits, {"low": None, "high": None, "n": 0, **value}
    mean = f"{interval['mean']:.{digits}f}"
    if METRICS[metric].of_set or interval["low"] is None:
        return f"{mean} (n = {interval['n']})"
    return f"{mean} {interval_text(interval, digits)}"  # type: ignore[arg-type]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ("---",) * len(head), *rows]
    return [f"| {' | '.join(map(_plain, line))} |" for line in lines]


def _plain(text: str) -> str:
    """Keep text from being read as a table's border or as HTML."""
    return text.replace("|", "\\|").replace("<", "&lt;")
