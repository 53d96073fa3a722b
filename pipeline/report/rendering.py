"""From templates to one file: everything a page needs is inside it."""

import math
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

FOLDER = Path(__file__).parent


def render(template: str, **facts: Any) -> bytes:
    """Fill in a template of this folder; whatever a fact holds is shown as text, not as HTML."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Our own style and script, which the page carries as they are.
    environment.globals["inline"] = lambda name: Markup((FOLDER / name).read_text())
    environment.filters |= {"number": number, "size": size}
    return environment.get_template(template).render(facts).encode()


def number(value: float | None, digits: int = 2, signed: bool = False) -> str:
    """Write a number with a true minus sign; '–' where there is none."""
    if value is None or math.isnan(value):
        return "–"
    value = round(value, digits) + 0.0  # −0 is 0
    text = f"{value:+,.{digits}f}" if signed else f"{value:,.{digits}f}"
    return text.replace("inf", "∞").replace("-", "−")


def size(count: int) -> str:
    """Bytes as a reader wants them: 12 kB, 3.4 MB."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
