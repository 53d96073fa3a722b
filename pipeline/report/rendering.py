"""Renders templates into self-contained HTML pages."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

if TYPE_CHECKING:  # imports SciPy, which `wespe compare` does not need
    from wespe.metrics.interval import Interval

FOLDER = Path(__file__).parent


def render(template: str, **facts: Any) -> bytes:
    """Fill in a template of this folder; values are HTML-escaped."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # This folder's style sheets and scripts, inserted without escaping.
    environment.globals["inline"] = lambda name: Markup((FOLDER / name).read_text())
    environment.filters |= {"number": number, "size": size}
    return environment.get_template(template).render(facts).encode()


def number(value: float | None, digits: int = 2, signed: bool = False) -> str:
    """Format a number with a real minus sign; '–' for None and NaN."""
    if value is None or math.isnan(value):
        return "–"
    value = round(value, digits) + 0.0  # −0 is 0
    text = f"{value:+,.{digits}f}" if signed else f"{value:,.{digits}f}"
    return text.replace("inf", "∞").replace("-", "−")


def interval_text(interval: "Interval", digits: int = 2, signed: bool = False) -> str:
    """Format an interval as `low … high`; '' if there is none."""
    low, high = interval["low"], interval["high"]
    if low is None or high is None:
        return ""
    return f"{number(low, digits, signed)} … {number(high, digits, signed)}"


def size(count: int) -> str:
    """Format a number of bytes, such as 12 kB or 3.4 MB."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
