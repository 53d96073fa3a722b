"""From templates to one file: everything that a page needs is inside it."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

if TYPE_CHECKING:  # brings SciPy, which a page of a laptop does without
    from wespe.metrics.interval import Interval

FOLDER = Path(__file__).parent


def render(template: str, **facts: Any) -> bytes:
    """Fill in a template of this folder; values are escaped, so that they show as text and never as HTML."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Our own style and script, inserted unescaped.
    environment.globals["inline"] = lambda name: Markup((FOLDER / name).read_text())
    environment.filters |= {"number": number, "size": size}
    return environment.get_template(template).render(facts).encode()


def number(value: float | None, digits: int = 2, signed: bool = False) -> str:
    """Write a number with a true minus sign, and '–' for None and NaN."""
    if value is None or math.isnan(value):
        return "–"
    value = round(value, digits) + 0.0  # −0 is 0
    text = f"{value:+,.{digits}f}" if signed else f"{value:,.{digits}f}"
    return text.replace("inf", "∞").replace("-", "−")


def interval_text(interval: "Interval", digits: int = 2, signed: bool = False) -> str:
    """Write `low … high`; '' where there is no interval."""
    low, high = interval["low"], interval["high"]
    if low is None or high is None:
        return ""
    return f"{number(low, digits, signed)} … {number(high, digits, signed)}"


def size(count: int) -> str:
    """Write a number of bytes for a reader: 12 kB, 3.4 MB."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
