"""Reads the catalogue and finds its sets by name. It needs nothing but Python itself."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from pipeline.catalogue.entry import CatalogueFile, Entry, Part
from pipeline.errors import SourceError
from pipeline.layout import OWN_CATALOGUE

SHIPPED = Path(__file__).parent
WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
Block = TypeVar("Block", Entry, Part, CatalogueFile)


def catalogue() -> dict[str, Path]:
    """Return the file of each set by its name; files in `catalogue/` beside params.yaml come first."""
    found = {path.stem: path for folder in (SHIPPED, OWN_CATALOGUE) for path in folder.glob("*.toml")}
    return dict(sorted(found.items()))


def find_entry(name: str) -> Entry:
    """Return a set by its name. Raises SourceError with the most similar names."""
    known = catalogue()
    if name not in known:
        raise SourceError(
            f"there is no data set {name!r}{nearest(name, known)}; `wespe datasets` lists them all"
        )
    return read_entry(known[name])


def find_part(entry: Entry, name: str) -> tuple[str, Part]:
    """Return a part and its name; the name may be '' if the set has only one. Raises SourceError."""
    listed = ", ".join(entry.parts)
    if not name and len(entry.parts) == 1:
        return next(iter(entry.parts.items()))
    if not name:
        raise SourceError(f"part is missing; data set {entry.name} has {listed}")
    if name not in entry.parts:
        raise SourceError(
            f"data set {entry.name} has no part {name!r}{nearest(name, entry.parts)}; it has {listed}"
        )
    return name, entry.parts[name]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `, did you mean 'a' or 'b'?`, or '' if no name is similar."""
    close = difflib.get_close_matches(name.lower(), list(known), n=3)
    return f", did you mean {' or '.join(map(repr, close))}?" if close else ""


def read_entry(path: Path) -> Entry:
    """Read a set's file. Raises SourceError that names the file and the key."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        parts = {name: _part(name, part) for name, part in _table(table.pop("parts", {}), "parts").items()}
        return _built(Entry, {**table, "name": path.stem, "parts": parts}, "")
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}; correct its permissions") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is not valid TOML ({error}); correct it") from None
    except ValueError as error:
        raise SourceError(f"{path}: {error}") from None


def _part(name: str, part: Any) -> Part:
    where = f"parts.{name}"
    table = dict(_table(part, where))
    files = table.pop("files", [])
    if not isinstance(files, list):
        raise ValueError(f"{where}.files must be a list")
    built = [_built(CatalogueFile, _table(file, f"{where}.files"), f"{where}.files.") for file in files]
    return _built(Part, {**table, "files": built}, f"{where}.")


def _built(kind: type[Block], table: Mapping[str, Any], where: str) -> Block:
    """Build a dataclass from a table; every wrong, missing or unknown key is an error that names it."""
    known = {f.name: f for f in fields(kind)}
    for key in table:
        if key not in known:
            raise ValueError(f"unknown key {where}{key}{nearest(key, known)}; allowed: {', '.join(known)}")
    for name, one in known.items():
        if name not in table and one.default is MISSING and one.default_factory is MISSING:
            raise ValueError(f"{where}{name} is missing")
    for key, hint in get_type_hints(kind).items():
        if key in table:
            _check_type(f"{where}{key}", table[key], hint)
    return kind(**table)


def _check_type(key: str, value: Any, hint: Any) -> None:
    if hint in WORDS and not (type(value) is hint or (hint is float and type(value) is int)):
        raise ValueError(f"{key} must be {WORDS[hint]}")
    if get_origin(hint) is list and not isinstance(value, list):
        raise ValueError(f"{key} must be a list")
    if get_args(hint) == (str,) and not all(isinstance(one, str) for one in value):
        raise ValueError(f"{key} must be a list of texts")


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be a table")
    return value
