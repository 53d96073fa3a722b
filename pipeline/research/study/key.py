"""A study, and the key that maps its ids to folders, which the page does not contain."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import TypeAdapter, ValidationError

from pipeline.errors import PipelineError
from pipeline.files import write_atomically

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
LABEL = re.compile(r"[A-Za-z0-9_.-][A-Za-z0-9 _.-]{0,39}")  # what MLflow allows in a metric's name
NO_PREFERENCE = "no preference"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two photos of one scene. photos: their ids, in the order of the study's labels."""

    id: str
    name: str
    photos: tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Study:
    id: str
    name: str
    labels: tuple[str, str]
    pairs: tuple[Pair, ...]

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"study {self.name!r}: a name must consist of a–z, 0–9 and -, such as my-phone")
        for label in self.labels:
            if not LABEL.fullmatch(label):
                raise ValueError(
                    f"label {label!r}: a label must consist of letters, digits, spaces, _, . and -"
                )
        if len({*self.labels, NO_PREFERENCE}) < 3:
            raise ValueError(
                f"the labels {' and '.join(self.labels)} must differ, also from {NO_PREFERENCE!r}"
            )


def write_key(folder: Path, study: Study) -> None:
    """Write the key; never replace a different key. Raises PipelineError."""
    path = _path(folder, study.name)
    if path.exists() and read_key(folder, study.name).id != study.id:
        raise PipelineError(
            f"{path}: study {study.name} was made from other photos or labels; use another name, or "
            "delete that file if you expect no more choices for it"
        )
    write_atomically(path, json.dumps(asdict(study), indent=1).encode() + b"\n")


def read_key(folder: Path, name: str) -> Study:
    """Read what `write_key` wrote. Raises PipelineError."""
    path = _path(folder, name)
    try:
        return TypeAdapter(Study).validate_json(path.read_bytes())
    except FileNotFoundError:
        raise PipelineError(f"{path}: no such study; create it first with --photos") from None
    except ValidationError:
        raise PipelineError(f"{path} is damaged; create the study again from the same photos") from None


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.key.json"
