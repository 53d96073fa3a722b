"""The page of all scores, from METRICS."""

from wespe.metrics.table import GROUPS, METRICS, Metric

HEAD = """# Scores

Every score of an evaluation, generated from `METRICS` in `wespe/metrics/table.py`. How they are read and
what decides is explained in [Judging a model](../explanation/judging.md).
"""
TABLE = "| score | name | unit | better | limit in `gates` | meaning |\n|---|---|---|---|---|---|"


def metrics_page() -> str:
    """A Markdown page with one table for each group of scores."""
    return "\n".join([HEAD, *(_group(against, title) for against, title in GROUPS.items())])


def _group(against: str, title: str) -> str:
    rows = [_row(name, metric) for name, metric in METRICS.items() if metric.against == against]
    return "\n".join([f"## {title}", "", TABLE, *rows, ""])


def _row(name: str, metric: Metric) -> str:
    unit, better, gate = metric.unit or "–", metric.better or "only describes", metric.gate
    limit = f"`{gate}`, {_reading(metric)}" if gate else "–"
    return f"| {metric.label} | `{name}` | {unit} | {better} | {limit} | {metric.sentence} |"


def _reading(metric: Metric) -> str:
    return "interval of the mean" if metric.gate_reads == "mean" else f"{metric.gate_reads} photo"
