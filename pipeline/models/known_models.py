"""Models that can be used by name: those in ./models, those that the user added, those of the package."""

import difflib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import CheckpointError, PipelineError
from pipeline.files import expanded
from pipeline.layout import CONFIG, WEIGHTS
from pipeline.models.card import Card, read_card

CHECKOUT = Path("models")
SHIPPED = Path(__file__).with_name("shipped")
HOW_TO_ADD = "add one with `wespe models add` (see its --help), or name a folder with --model"


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    """A model folder and the facts in its config.json; '' or 0 if unknown.

    card: None if it has none, or an invalid one.
    shipped: it came with the package; all others are the user's own.
    """

    name: str
    folder: Path
    camera: str
    target: str
    method: str
    steps: int
    bytes: int
    card: Card | None
    shipped: bool


def user_folder() -> Path:
    """Return the folder of the user's models: $WESPE_MODELS, or one in the platform's application data."""
    if chosen := os.environ.get("WESPE_MODELS"):
        return expanded(chosen)
    if sys.platform == "win32":
        data = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        data = "~/Library/Application Support"
    else:
        data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return expanded(data) / "wespe" / "models"


def known_models() -> list[KnownModel]:
    """Return all models, sorted by name. Of equal names, ./models wins, then what the user has added."""
    found: dict[str, KnownModel] = {}
    for place in filter(None, (SHIPPED, _own_folder(), CHECKOUT)):
        found |= models_in(place)
    return [found[name] for name in sorted(found)]


def models_in(place: Path) -> dict[str, KnownModel]:
    """Return the models in a folder, by name; none if it does not exist."""
    folders = sorted(place.iterdir()) if place.is_dir() else []
    return {
        folder.name: known(folder)
        for folder in folders
        if (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file() and not folder.name.startswith(".")
    }


def _own_folder() -> Path | None:
    """Return the folder of the user's models; None for a user without a home folder."""
    try:
        return user_folder()
    except PipelineError:
        return None


def find_model(wanted: str) -> Path:
    """Return a model's folder by its path or name, or the path of a file of edits.

    Raises CheckpointError, which lists the models.
    """
    if (Path(wanted) / CONFIG).is_file() or (wanted.endswith(".json") and Path(wanted).is_file()):
        return Path(wanted)
    folders = {model.name: model.folder for model in known_models()}
    if wanted in folders:
        return folders[wanted]
    known_are = f"known models: {', '.join(folders)}" if folders else HOW_TO_ADD
    raise CheckpointError(
        f"--model {wanted}: no such model folder or known model{nearest(wanted, folders)}; {known_are}"
    )


def nearest(wanted: str, names: Iterable[str]) -> str:
    """Return `; did you mean …?` if a name is near."""
    close = difflib.get_close_matches(wanted, list(names), n=3)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def known(folder: Path) -> KnownModel:
    """Describe a model folder, without loading it; what is invalid counts as unknown."""
    try:
        config = json.loads((folder / CONFIG).read_bytes())
    except (OSError, ValueError, RecursionError):
        config = {}
    config = config if isinstance(config, Mapping) else {}
    method, steps = config.get("method"), config.get("step")
    return KnownModel(
        name=folder.name,
        folder=folder,
        camera=_text(config.get("camera")),
        target=_text(config.get("target")),
        method=_text(method.get("name")) if isinstance(method, Mapping) else "",
        steps=steps if isinstance(steps, int) else 0,
        bytes=(folder / WEIGHTS).stat().st_size,
        card=_card(folder),
        shipped=folder.parent == SHIPPED,
    )


def _card(folder: Path) -> Card | None:
    try:
        return read_card(folder)
    except (CheckpointError, OSError):
        return None


def _text(value: Any) -> str:
    """Make untrusted text safe for a terminal: printable characters only, at most 60."""
    return "".join(letter for letter in value if letter.isprintable())[:60] if isinstance(value, str) else ""
