"""The page of params.yaml: every block and key, with type, default and meaning, from the dataclasses."""

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pipeline.reference.blocks import Place, alternatives, describe, field_types, find_blocks, tag_of

WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false"}
PIPE = "\\|"  # inside a cell
HEAD = """# params.yaml

All settings that change a result, generated from the classes that check them. NAME stands for a name of your
own, [] for each entry of a list. `python -m stages.check` reports unknown keys, wrong types and values out of
range by their path.

Where things run is set by the [environment](environment.md), not here.
"""


def settings_page(root: type) -> str:
    """A Markdown page of `root` and all dataclasses inside it."""
    blocks = find_blocks(root)
    anchors = {kind: _anchor(places) for kind, places in blocks.items()}
    return "\n".join([HEAD, *(_section(kind, places, anchors) for kind, places in blocks.items())])


def _section(kind: type, places: list[Place], anchors: Mapping[type, str]) -> str:
    prose, meanings = describe(kind)
    hints = field_types(kind)
    rows = [
        [f"`{field.name}`", _type(hints[field.name], anchors), _default(field), meanings.get(field.name, "")]
        for field in fields(kind)
    ]
    lines = [f"## {_heading(places)} {{ #{anchors[kind]} }}", "", _escaped(prose), ""]
    if others := [place.path for place in places[1:] if place.path != places[0].path]:
        lines += [f"Also at {', '.join(f'`{path}`' for path in dict.fromkeys(others))}.", ""]
    lines += ["| key | type | default | meaning |", "|---|---|---|---|", *map(_row, rows), ""]
    return "\n".join(lines)


def _heading(places: list[Place]) -> str:
    """The first place, and which methods or sources have the block there."""
    first = places[0].path
    tags = dict.fromkeys(place.tag for place in places if place.path == first and place.tag)
    return (f"`{first}`" if first else "The whole file") + (f" of {', '.join(tags)}" if tags else "")


def _anchor(places: list[Place]) -> str:
    return re.sub(r"[^a-z0-9]+", "-", _heading(places).lower()).strip("-")


def _type(hint: Any, anchors: Mapping[type, str]) -> str:
    """A type in words; a block is a link to its section."""
    kinds = alternatives(hint)
    words = " or ".join(dict.fromkeys(_one_type(kind, anchors) for kind in kinds if kind is not NoneType))
    return f"{words}, or null" if NoneType in kinds else words


def _one_type(hint: Any, anchors: Mapping[type, str]) -> str:
    origin, parts = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        assert isinstance(hint, type)
        return f"[{tag_of(hint) or 'block'}](#{anchors[hint]})"
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin is list or (origin is tuple and parts[-1] is ...):
        return f"list of {_type(parts[0], anchors)}"
    if origin is tuple:
        return f"{len(parts)} × {_type(parts[0], anchors)}"
    if parts:
        return f"by name: {_type(parts[1], anchors)}"
    return WORDS[hint]


def _default(field: Field) -> str:
    value = _default_value(field)
    if value is MISSING:
        return "required"
    if is_dataclass(value):
        value = {f.name: own for f in fields(value) if (own := getattr(value, f.name)) != _default_value(f)}
        if not value:
            return "its defaults"
    return f"`{json.dumps(value, ensure_ascii=False, default=asdict)}`"  # as YAML writes it on one line


def _default_value(field: Field) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _row(cells: list[str]) -> str:
    """The last cell is from a docstring, which speaks Python; readers of YAML know None as null."""
    *plain, meaning = cells
    escaped = re.sub(r"\bNone\b", "`null`", _escaped(meaning))
    return f"| {' | '.join(cell.replace('|', PIPE) for cell in (*plain, escaped))} |"


def _escaped(text: str) -> str:
    """Docstrings are plain text: what Markdown would take for tags or emphasis is shown as it is."""
    pieces = text.split("`")  # every second piece is code
    pieces[::2] = [re.sub(r"([<*\[\]])", r"\\\1", piece) for piece in pieces[::2]]
    return "`".join(pieces)
