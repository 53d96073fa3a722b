"""The blocks of params.yaml: which dataclasses check it, where each is used, and what their fields mean."""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

COMMENT = re.compile(r"    (?P<field>\w+): .*?  # (?P<text>.*)")


@dataclass(frozen=True)
class Place:
    """Where a block is used. tag: the kind of source or the name of the method that it belongs to."""

    path: str
    tag: str = ""

    def child(self, name: str) -> "Place":
        return Place(f"{self.path}.{name}" if self.path else name, self.tag)


def find_blocks(root: type) -> dict[type, list[Place]]:
    """Every dataclass that `root` is made of, in reading order, with its places."""
    found: dict[type, list[Place]] = {}

    def visit(kind: type, place: Place) -> None:
        found.setdefault(kind, []).append(place)
        for name, hint in field_types(kind).items():
            for child, there in _nested(hint, place.child(name)):
                visit(child, there)

    visit(root, Place(""))
    return found


def field_types(kind: type) -> dict[str, Any]:
    """The fields of a dataclass in order, with their types, annotations included."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in fields(kind)}


def _nested(hint: Any, place: Place) -> Iterator[tuple[type, Place]]:
    """The dataclasses inside a type: optional, one of several, or the values of a mapping or a list."""
    origin, parts = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        assert isinstance(hint, type)
        yield hint, Place(place.path, tag_of(hint) or place.tag)
    elif origin is Annotated:
        yield from _nested(parts[0], place)
    elif origin in (Union, UnionType):
        for part in parts:
            yield from _nested(part, place)
    elif origin in (dict, Mapping):
        yield from _nested(parts[1], place.child("NAME"))
    elif origin is list:
        yield from _nested(parts[0], Place(f"{place.path}[]", place.tag))


def tag_of(kind: type) -> str:
    """The one value of a block's `kind` or `name`, by which it is chosen among others; '' if it has none."""
    for name, hint in field_types(kind).items():
        if name in ("kind", "name") and get_origin(hint) is Literal and len(get_args(hint)) == 1:
            return str(get_args(hint)[0])
    return ""


def describe(kind: type) -> tuple[str, dict[str, str]]:
    """A dataclass's docstring as prose, and what it and comments in the source say of each field."""
    docstring = inspect.getdoc(kind) or ""
    if docstring.startswith(f"{kind.__name__}("):  # which dataclass writes where the class has none
        docstring = ""
    text, own = _prose_and_fields(docstring, tuple(field_types(kind)))
    return text, _comments(kind) | own


def _prose_and_fields(docstring: str, names: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """Split `Prose. one, other: their meaning. third: its meaning.` at the names of fields.

    A meaning ends at the next name or at an empty line.
    """
    any_name = "|".join(names) or "$."
    start = re.compile(rf"(?:^|(?<=[.;] ))((?:{any_name})(?:, (?:{any_name}))*): ")
    prose: list[str] = []
    meanings: dict[str, str] = {}
    for paragraph in _paragraphs(docstring):
        before, *rest = start.split(paragraph)
        if before.strip():
            prose.append(before.strip())
        for keys, meaning in zip(rest[::2], rest[1::2], strict=True):
            meanings |= dict.fromkeys(keys.split(", "), meaning.strip().rstrip(";"))
    return "\n\n".join(prose), meanings


def _paragraphs(docstring: str) -> Iterator[str]:
    """Each paragraph on one line; each `name: …` of a list is one of its own."""
    joined = re.sub(r"\n[ ]+(?=\S)", " ", docstring)  # continuation lines of an entry are indented
    for block in joined.split("\n\n"):
        lines = block.split("\n")
        if any(re.match(r"[\w, ]+: ", line) for line in lines):
            yield from _entries(lines)
        else:
            yield " ".join(lines)


def _entries(lines: list[str]) -> Iterator[str]:
    """Lines that begin with `name: ` begin an entry; others continue the one before."""
    entry = lines[0]
    for line in lines[1:]:
        if re.match(r"\w+(, \w+)*: ", line):
            yield entry
            entry = line
        else:
            entry += f" {line}"
    yield entry


def _comments(kind: type) -> dict[str, str]:
    """What the comment at the end of a field's line says."""
    matches = map(COMMENT.fullmatch, inspect.getsource(kind).splitlines())
    return {match["field"]: match["text"] for match in matches if match}


def alternatives(hint: Any) -> tuple[Any, ...]:
    """The types that a value may have, NoneType among them, without annotations."""
    if get_origin(hint) is Annotated:
        return alternatives(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return tuple(one for part in get_args(hint) for one in alternatives(part))
    return (hint,)
