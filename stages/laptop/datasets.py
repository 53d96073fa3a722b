"""`wespe datasets`: list the public photo sets that params.yaml can name, or show one."""

import argparse
import textwrap
from typing import TYPE_CHECKING, Any

from stages.laptop.parsers import add_command
from stages.laptop.tables import table

if TYPE_CHECKING:
    from pipeline.catalogue.entry import Entry, Part

ABOUT = """examples:
  wespe datasets           all sets, with their licences
  wespe datasets div2k     all facts, the parts, what to cite, and lines for params.yaml

Sets marked `by hand` need a login or a form; the details say what to download and where to put it. To add a
set of your own, write a file catalogue/NAME.toml in the folder of params.yaml. Read a licence before you rely
on it. Fetching needs the extra `pipeline` (pip install '.[pipeline]' in a checkout); this command does not.
"""
COLUMNS = ("NAME", "PHOTOS", "SIZE", "DOWNLOAD", "LICENCE", "COMMERCIAL USE", "SHOWS")
WIDTH = 110


def add(commands: Any) -> None:
    help = "list public photo sets and their licences, or show one"
    parser = add_command(commands, "datasets", help, _datasets, ABOUT)
    parser.add_argument("name", metavar="NAME", nargs="?", help="a set; default: list them all")


def _datasets(arguments: argparse.Namespace) -> None:
    from pipeline.catalogue.lookup import catalogue, find_entry

    if arguments.name:
        print(_details(find_entry(arguments.name)))
    else:
        print(table([COLUMNS, *(_row(find_entry(name)) for name in catalogue())]))


def _row(entry: "Entry") -> tuple[str, ...]:
    shows = textwrap.shorten(entry.shows, 50, placeholder=" …")
    download = "by hand" if entry.manual else "automatic"
    licence, use = entry.licence, entry.commercial_use
    return entry.name, _photos(entry.all_photos, entry.rounded), _size(entry), download, licence, use, shows


def _details(entry: "Entry") -> str:
    facts = {
        "shows": entry.shows,
        "home page": entry.home,
        "licence": f"{entry.licence}, {entry.licence_url}",
        "commercial use": entry.commercial_use,
        "terms": entry.terms,
        "photos": _photos(entry.all_photos, entry.rounded),
        "size": _size(entry),
        "download": f"by hand: {_manual(entry)}" if entry.manual else "automatic",
        "not checked": entry.unchecked,
        "cite": entry.citation,
    }
    lines = [f"{entry.title} ({entry.name})", *(_fact(name, text) for name, text in facts.items() if text)]
    rows = [
        (f"  {name}", _photos(part.photos, part.about), _about(part)) for name, part in entry.parts.items()
    ]
    return "\n".join([*lines, "", table([("PART", "PHOTOS", ""), *rows]), "", _block(entry)])


def _fact(name: str, text: str) -> str:
    return textwrap.fill(
        text, WIDTH, initial_indent=f"  {name:<16}", subsequent_indent=" " * 18, break_long_words=False
    )


def _manual(entry: "Entry") -> str:
    from pipeline.layout import MANUAL_DOWNLOADS

    return (
        f"{entry.manual}; then put it into {MANUAL_DOWNLOADS / entry.name}, or name its place with `folder`"
    )


def _about(part: "Part") -> str:
    split = f"official split: {part.split}" if part.split else ""
    truth = f"truth: {part.truth}" if part.truth else ""
    return "; ".join(filter(None, (part.shows, split, truth)))


def _block(entry: "Entry") -> str:
    """Return lines for params.yaml: for the first part that has a truth, or the first of all."""
    name, part = next(((n, p) for n, p in entry.parts.items() if p.truth), next(iter(entry.parts.items())))
    lines = [
        "for params.yaml, under a camera or a target:",
        "    photos:",
        f"      source: {_source(entry, name)}",
    ]
    if part.truth:
        lines.append(f"      truth: {_source(entry, part.truth)}     # of a camera, to score it by pairs")
    return "\n".join(lines)


def _source(entry: "Entry", part: str) -> str:
    return f"{{kind: dataset, name: {entry.name}, part: {part}}}"


def _photos(count: int, about: bool) -> str:
    return f"{'about ' * about}{count:,}" if count else "–"


def _size(entry: "Entry") -> str:
    size = entry.gigabytes
    return f"{size:g} GB" if size >= 1 else f"{size * 1000:g} MB" if size else "–"
