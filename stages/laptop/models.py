"""`wespe models`: list the known models; add, update and remove one's own; search a zoo of models."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.laptop.parsers import add_command
from stages.laptop.tables import table

if TYPE_CHECKING:
    from pipeline.models.known_models import KnownModel
    from pipeline.zoo.index import ListedModel

ABOUT = """A model is a folder with config.json and generator.safetensors, or a zip or tar archive of it.
Known models are those in ./models, those that you add, and those that come with wespe; of equal names, the
first wins. Added models are copied to $WESPE_MODELS or, if it is not set, to your platform's folder for
application data.

A zoo is where others publish models: an https:// address, or a folder. --zoo names it, or $WESPE_ZOO.

examples:
  wespe models                                            what is on this machine
  wespe models add Downloads/my-phone.zip                 from a file or a folder
  wespe models search iphone --zoo https://example.org/zoo
  wespe models add iphone-x --zoo https://example.org/zoo
  wespe models info iphone-x                              its card: cameras, licence, scores, limits
"""
COLUMNS = ("NAME", "CAMERA → TARGET", "METHOD", "TRAINED", "SIZE", "FOLDER")
ZOO_COLUMNS = ("NAME", "VERSION", "FOR", "LICENCE", "SIZE", "SUMMARY")
ADDING = """A folder or archive is added from this machine; with --zoo or $WESPE_ZOO, a name from the zoo.
Every file from a zoo is checked by size and sha256, and a model is loaded once before it gets its name. No
model contains code.
"""
UPDATING = "Only models that were added from a zoo are replaced, each as a whole; others are left alone."


def add(commands: Any) -> None:
    help = "list the known models on this machine; add, search, update and remove models"
    parser = add_command(commands, "models", help, _list, ABOUT)
    parser.add_argument("--names", action="store_true", help="print only names, for tab completion")
    verbs = parser.add_subparsers(metavar="VERB")
    one = add_command(verbs, "add", "add a model from a folder, an archive or a zoo", _add, ADDING)
    one.add_argument("source", metavar="FOLDER_OR_ARCHIVE_OR_NAME", type=Path, help="the model to add")
    _with_zoo(one)
    one = add_command(verbs, "search", "list the models of a zoo", _search, "")
    one.add_argument("text", metavar="TEXT", nargs="*", help="words in the name, cameras or summary")
    _with_zoo(one)
    one = add_command(verbs, "info", "show a model's card: cameras, licence, scores, limits", _info, "")
    one.add_argument("model", metavar="NAME", help="a known model, else one of the zoo; with --zoo only that")
    _with_zoo(one)
    one = add_command(verbs, "update", "fetch newer versions of models from a zoo", _update, UPDATING)
    one.add_argument(
        "model", metavar="NAME", nargs="?", default="", help="one model; default: all from a zoo"
    )
    _with_zoo(one)
    one = add_command(verbs, "remove", "remove a model that you have added", _remove, "")
    one.add_argument("model", metavar="NAME", help="the model to remove")


def _with_zoo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--zoo", default="", metavar="URL", help="https://… or a folder; default: $WESPE_ZOO")


def _list(arguments: argparse.Namespace) -> None:
    from pipeline.models.known_models import HOW_TO_ADD, known_models

    models = known_models()
    if arguments.names:
        # Shells expand completions, so a name such as $(…) would be executed.
        plain = [model.name for model in models if shlex.quote(model.name) == model.name]
        print("".join(f"{name}\n" for name in plain), end="")
    elif models:
        print(table([COLUMNS, *map(_row, models)]))
    else:
        print(f"no models yet; {HOW_TO_ADD}")


def _add(arguments: argparse.Namespace) -> None:
    from pipeline.errors import ZooError
    from pipeline.models.own_models import add_model
    from pipeline.zoo.installing import add_from_zoo
    from pipeline.zoo.reading import is_named, open_zoo

    source, zoo = arguments.source, arguments.zoo
    by_name = zoo or (is_named() and not source.exists())
    if not by_name and not source.exists():
        raise ZooError(f"{source}: no such folder or archive; for a model of a zoo, name the zoo with --zoo")
    added = add_from_zoo(str(source), open_zoo(zoo)) if by_name else add_model(source)
    licence = f", licence {added.card.licence}" if added.card else ""
    print(f"{added.name} → {added.folder}{licence}; use it: wespe enhance PHOTO --model {added.name}")


def _search(arguments: argparse.Namespace) -> None:
    from pipeline.zoo.installing import search
    from pipeline.zoo.reading import open_zoo

    zoo, text = open_zoo(arguments.zoo), " ".join(arguments.text)
    if found := search(zoo, text):
        print(table([ZOO_COLUMNS, *map(_zoo_row, found)]))
    else:
        print(
            f"{zoo.address} has no model"
            + (f" with {text!r}; search without words lists all" if text else "")
        )


def _info(arguments: argparse.Namespace) -> None:
    from pipeline.models.known_models import known_models
    from pipeline.zoo.installing import card_here, card_there
    from pipeline.zoo.reading import is_named, open_zoo

    name, zoo = arguments.model, arguments.zoo
    by_zoo = zoo or (is_named() and name not in {model.name for model in known_models()})
    print(card_there(name, open_zoo(zoo)) if by_zoo else card_here(name))


def _update(arguments: argparse.Namespace) -> None:
    from pipeline.zoo.installing import update
    from pipeline.zoo.reading import open_zoo

    updates = update(open_zoo(arguments.zoo), arguments.model)
    for one in updates:
        newer = f"{one.before} → {one.after}" if one.after != one.before else f"{one.before} is the newest"
        print(f"{one.name}: {newer}")
    if not updates:
        print("nothing to update: none of your models is from this zoo")


def _remove(arguments: argparse.Namespace) -> None:
    from pipeline.models.own_models import remove_model

    print(f"removed {remove_model(arguments.model)}")


def _row(model: "KnownModel") -> tuple[str, ...]:
    trained = f"{model.steps:,} steps" if model.steps else "–"
    cameras = ", ".join(map(str, model.card.cameras))[:40] if model.card else ""
    camera = " → ".join(filter(None, (cameras or model.camera, model.target)))
    folder = "comes with wespe" if model.shipped else str(model.folder)
    return model.name, camera or "–", model.method or "–", trained, _size(model.bytes), folder


def _zoo_row(listed: "ListedModel") -> tuple[str, ...]:
    cameras = ", ".join(map(str, listed.cameras))[:40]
    return (
        listed.name,
        listed.version,
        cameras or "–",
        listed.licence[:20],
        _size(listed.bytes),
        listed.summary[:60],
    )


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
