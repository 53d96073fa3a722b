"""A model's card: which cameras it is for, what it was learned from, how it scored, and its licence.

card.json may come from anywhere: texts are made printable and limited in length, other kinds are refused.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from pipeline.errors import CheckpointError

CARD = "card.json"
FORMAT = 1
UNSTATED = "unstated"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
VERSION = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6}){0,2}")
LONGEST_TEXT, LONGEST_LIST = 2_000, 100
NEWER = "is made for a newer version of wespe; update it: pip install --upgrade"

Scores = Mapping[str, Mapping[str, Mapping[str, Any]]]  # variant → metric → mean, low, high, n


@dataclass(frozen=True, kw_only=True)
class CameraPattern:
    """Patterns for make and model in EXIF, as in `routes` of params.yaml; `*` matches anything."""

    make: str = "*"
    model: str = "*"

    def __str__(self) -> str:
        return " ".join(part for part in (self.make, self.model) if part != "*") or "any camera"


@dataclass(frozen=True, kw_only=True)
class UsedSet:
    """A set of photos that the model was learned from.

    role: photos, truth or target. commercial_use: yes, no or unstated.
    """

    name: str = UNSTATED
    role: str = UNSTATED
    licence: str = UNSTATED
    commercial_use: str = UNSTATED


@dataclass(frozen=True, kw_only=True)
class Card:
    """What people and programs should know before they use a model.

    cameras: photos of these get this model without being asked; none: only if the user chooses it.
    licence: of the weights, such as CC-BY-4.0.
    scores: means and 95 % intervals on the test photos, for the model and the yardsticks.
    verdict: what the gates decided.
    """

    name: str
    version: str
    summary: str = ""
    cameras: tuple[CameraPattern, ...] = ()
    method: str = UNSTATED
    preset: str = UNSTATED
    sets: tuple[UsedSet, ...] = ()
    scores: Scores = field(default_factory=dict)
    verdict: str = UNSTATED
    limits: tuple[str, ...] = ()
    citation: str = UNSTATED
    licence: str = UNSTATED

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise CheckpointError(
                f"the name must consist of a–z, 0–9 and -, such as my-phone, not {self.name!r}"
            )
        if not VERSION.fullmatch(self.version):
            raise CheckpointError(f"the version must be a number such as 2 or 1.0.3, not {self.version!r}")

    def require_licence(self, where: str) -> None:
        """Raise CheckpointError if nothing says under which licence the weights may be used."""
        if self.licence.strip().lower() in ("", UNSTATED):
            raise CheckpointError(f"{where} states no licence, so nobody may use its weights")

    def json(self) -> bytes:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False).encode() + b"\n"


def read_card(folder: Path) -> Card | None:
    """Read the card in a model folder; None if it has none. Raises CheckpointError for an invalid one."""
    try:
        return card_of((folder / CARD).read_bytes(), str(folder / CARD))
    except (FileNotFoundError, NotADirectoryError):
        return None


def card_of(data: bytes, where: str, **also: Any) -> Card:
    """Read card.json; `also` replaces or adds entries. Raises CheckpointError, which begins with `where`."""
    content = json_object(data, where) | also
    check_format(content, where)
    try:
        return Card(
            **{key: printable(content.get(key, default)) for key, default in _TEXTS.items()},
            cameras=tuple(_records(CameraPattern, content, "cameras")),
            sets=tuple(_records(UsedSet, content, "sets")),
            limits=tuple(printable(text) for text in _list(content, "limits")),
            scores=_scores(content.get("scores", {})),
        )
    except CheckpointError as error:
        raise CheckpointError(f"{where}: {error}") from None


def json_object(data: bytes, where: str) -> dict[str, Any]:
    """Parse untrusted JSON. Raises CheckpointError unless it is an object."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise CheckpointError(f"{where} is not valid JSON; fetch it again") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{where} is not a JSON object; fetch it again")
    return content


def check_format(content: Mapping[str, Any], where: str) -> None:
    """Raise CheckpointError if a newer version wrote this."""
    number = content.get("format", FORMAT)
    if not isinstance(number, int) or number < 1:
        raise CheckpointError(f"{where}: format must be a number such as {FORMAT}; fetch it again")
    if number > FORMAT:
        raise CheckpointError(f"{where} {NEWER}")


def printable(value: Any) -> str:
    """Make untrusted text safe for a terminal and a page. Raises CheckpointError for other values."""
    if not isinstance(value, str):
        raise CheckpointError(f"expected text, not {str(value)[:40]!r}")
    return "".join(letter for letter in value if letter.isprintable())[:LONGEST_TEXT]


def version_key(version: str) -> tuple[int, ...]:
    """Order versions: 1.10 is newer than 1.9."""
    return tuple(map(int, version.split(".")))


_TEXTS = {
    "name": "", "version": "", "summary": "", "method": UNSTATED, "preset": UNSTATED,
    "verdict": UNSTATED, "citation": UNSTATED, "licence": UNSTATED,
}  # fmt: skip


def _list(content: Mapping[str, Any], key: str) -> list[Any]:
    value = content.get(key, [])
    if not isinstance(value, list | tuple) or len(value) > LONGEST_LIST:
        raise CheckpointError(f"{key} must be a list of at most {LONGEST_LIST} entries")
    return list(value)


def _records(kind: type, content: Mapping[str, Any], key: str) -> list[Any]:
    """Build the records of a list; unknown entries are left out."""
    records = []
    for one in _list(content, key):
        if not isinstance(one, Mapping):
            raise CheckpointError(f"{key} must be a list of objects")
        known = [each.name for each in fields(kind)]
        records.append(kind(**{name: printable(one[name]) for name in known if name in one}))
    return records


def _scores(value: Any) -> Scores:
    rows = value.values() if isinstance(value, Mapping) else [None]
    cells = [cell for row in rows for cell in (row.values() if isinstance(row, Mapping) else [None])]
    if not all(isinstance(cell, Mapping) and isinstance(cell.get("mean"), int | float) for cell in cells):
        raise CheckpointError("scores must be variants with metrics, each with a mean")
    return value
