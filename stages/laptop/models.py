"""`wespe models`: list the known models, or add one."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.laptop.parsers import add_command
from stages.laptop.tables import table

if TYPE_CHECKING:
    from pipeline.models.known_models import KnownModel

ABOUT = """A model is a folder with config.json and generator.safetensors, or a zip or tar archive of it.
Known models are those in ./models and those that you add. Added models are copied to $WESPE_MODELS or, if it
is not set, to your platform's folder for application data. To remove a model, delete its folder.
"""
COLUMNS = ("NAME", "CAMERA → TARGET", "METHOD", "TRAINED", "SIZE", "FOLDER")


def add(commands: Any) -> None:
    parser = add_command(
        commands, "models", "list the known models on this machine, or add one", _models, ABOUT
    )
    parser.add_argument("--names", action="store_true", help="print only names, for tab completion")
    parser.add_argument("action", nargs="?", choices=["add"], help="add a model instead of listing them")
    parser.add_argument("model", metavar="FOLDER_OR_ARCHIVE", type=Path, nargs="?", help="the model to add")


def _models(arguments: argparse.Namespace) -> None:
    from pipeline.errors import CheckpointError
    from pipeline.models.known_models import HOW_TO_ADD, add_model, known_models

    if arguments.action:
        if arguments.model is None:
            raise CheckpointError("nothing to add; give a model folder or an archive of one")
        added = add_model(arguments.model)
        print(f"{added.name} → {added.folder}; use it: wespe enhance PHOTO --model {added.name}")
        return
    models = known_models()
    if arguments.names:
        # Shells expand completions, so a name such as $(…) would be executed.
        plain = [model.name for model in models if shlex.quote(model.name) == model.name]
        print("".join(f"{name}\n" for name in plain), end="")
    elif models:
        print(table([COLUMNS, *map(_row, models)]))
    else:
        print(f"no models yet; {HOW_TO_ADD}")


def _row(model: "KnownModel") -> tuple[str, ...]:
    trained = f"{model.steps:,} steps" if model.steps else "–"
    size = f"{model.bytes / 1e6:.1f} MB" if model.bytes >= 1e6 else f"{model.bytes / 1e3:.0f} kB"
    camera = " → ".join(filter(None, (model.camera, model.target)))
    return model.name, camera or "–", model.method or "–", trained, size, str(model.folder)
