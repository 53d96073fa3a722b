"""`wespe compare`: write a page that shows photos before and after."""

import argparse
from pathlib import Path
from typing import Any

from stages.laptop.parsers import add_command


def add(commands: Any) -> None:
    help = "make a page with before/after sliders, which opens offline"
    parser = add_command(
        commands, "compare", help, _compare, "Folders are matched by the names of their photos."
    )
    parser.add_argument("before", metavar="BEFORE", type=Path, help="a photo, or a folder")
    parser.add_argument("after", metavar="AFTER", type=Path, help="its result, or the folder of results")
    parser.add_argument(
        "-o", "--out", type=Path, metavar="PAGE", help="the page to write; default: AFTER-compared.html"
    )
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def _compare(arguments: argparse.Namespace) -> None:
    from pipeline.errors import PipelineError

    before, after = arguments.before, arguments.after
    for path in (before, after):
        if not path.exists():
            raise PipelineError(f"{path}: no such photo or folder; correct its name")
    if before.is_dir() != after.is_dir():
        raise PipelineError(f"{before} and {after}: give two photos, or two folders")
    from pipeline.photos.pairs import pairs_by_name  # imports torch, which takes seconds
    from pipeline.report.before_after import write_before_after

    pairs = pairs_by_name(before, after) if before.is_dir() else {after.name: (before, after)}
    name = after.resolve().name if after.is_dir() else after.stem
    page = arguments.out or after.resolve().with_name(f"{name}-compared.html")
    if page.suffix.lower() not in (".html", ".htm") or page.is_dir():
        raise PipelineError(f"{page}: the page's name must end in .html, such as compared.html")
    page.parent.mkdir(parents=True, exist_ok=True)
    words = ", ".join(write_before_after(pairs, page).words())
    print(f"{words}\n{page}")
    if arguments.open:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
