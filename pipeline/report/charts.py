"""Small line charts: computes the paths and labels that a template draws."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pipeline.report.rendering import number

WIDTH, HEIGHT = 300, 150
LEFT, RIGHT, TOP, BOTTOM = 40, 290, 10, 126
POINTS = 200
# The first line is the main one. Styles differ in more than colour, for accessibility.
STYLES = ("main", "quiet", "dotted", "dashed")

Points = tuple[ArrayLike, ArrayLike]  # x, y


@dataclass(frozen=True, kw_only=True)
class Line:
    label: str
    style: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Label:
    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """`summary` describes the chart in words, for screen readers."""

    title: str
    summary: str
    lines: list[Line]
    x_labels: list[Label]
    y_labels: list[Label]


def line_chart(
    title: str,
    series: Mapping[str, Points],
    *,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    y_axis: bool = True,
) -> Chart:
    """Draw up to four lines, {label: (x, y)}; values that are not finite leave a gap."""
    thinned = {label: _thin(*points) for label, points in series.items()}
    xs, ys = (np.concatenate([points[axis] for points in thinned.values()]) for axis in (0, 1))
    x_range, y_range = x_range or _range(xs), y_range or _range(ys)
    return Chart(
        title=title,
        summary=f"{title}: " + ", ".join(_words(label, points) for label, points in thinned.items()),
        lines=[
            Line(label=label, style=style, path=_path(*points, x_range, y_range))
            for (label, points), style in zip(thinned.items(), STYLES, strict=False)
        ],
        x_labels=[Label(at=at, text=_short(x)) for at, x in zip((LEFT, RIGHT), x_range, strict=True)],
        y_labels=[
            Label(at=at, text=_short(y)) for at, y in zip((BOTTOM, TOP), y_range, strict=True) if y_axis
        ],
    )


def _thin(xs: ArrayLike, ys: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Average neighbouring points, to limit the page's size."""
    points = [np.asarray(values, dtype=np.float64) for values in (xs, ys)]
    x, y = (np.array_split(values, min(POINTS, values.size)) for values in points)
    return np.array([part.mean() for part in x]), np.array([part.mean() for part in y])


def _range(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _path(xs: np.ndarray, ys: np.ndarray, x_range: tuple[float, float], y_range: tuple[float, float]) -> str:
    path, pen = [], "M"
    for x, y in zip(xs, ys, strict=True):
        if not math.isfinite(y):
            pen = "M"
            continue
        across = LEFT + (RIGHT - LEFT) * (x - x_range[0]) / (x_range[1] - x_range[0])
        share = min(1.0, max(0.0, (y - y_range[0]) / (y_range[1] - y_range[0])))
        up = BOTTOM - (BOTTOM - TOP) * share
        path.append(f"{pen}{across:.1f} {up:.1f}")
        pen = "L"
    return "".join(path)


def _words(label: str, points: tuple[np.ndarray, np.ndarray]) -> str:
    finite = points[1][np.isfinite(points[1])]
    return f"{label} from {_short(finite[0])} to {_short(finite[-1])}" if finite.size else f"{label} empty"


def _short(value: float) -> str:
    """Format a number with about three digits, short enough for an axis label."""
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e").replace("-", "−")
    digits = 0 if value == int(value) or abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return number(float(value), digits if abs(value) >= 0.01 or not value else 3)
