"""The reference of scores has every row of METRICS."""

import pytest

from pipeline.reference.metrics_page import metrics_page
from wespe.metrics.table import METRICS


@pytest.mark.parametrize("name", METRICS)
def test_every_score_has_its_row(name: str) -> None:
    metric = METRICS[name]
    [row] = [line for line in metrics_page().splitlines() if f"| `{name}` |" in line]
    assert metric.label in row
    assert metric.sentence in row
    assert (metric.better or "only describes") in row
    assert not metric.gate or f"`{metric.gate}`" in row
