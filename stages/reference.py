"""Write the generated pages of the documentation: `python -m stages.reference`."""

import argparse
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

import stages
import stages.laptop
from stages.command import parse, run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.reference",
        description="Write the generated pages of the documentation: params.yaml from the classes that check"
        " it, scores from METRICS, commands from their parsers. `make docs` does this before it builds.",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("docs/reference"), help="the folder to write to, %(default)s"
    )
    arguments = parse(parser)
    run("reference", lambda: _reference(arguments.out))


def _reference(folder: Path) -> None:
    from pipeline.files import write_atomically

    folder.mkdir(parents=True, exist_ok=True)
    for name, page in pages().items():
        write_atomically(folder / name, page.encode())
        print(folder / name)


def pages() -> dict[str, str]:
    """The generated pages, by file name."""
    from pipeline.params import Params
    from pipeline.reference.commands_page import commands_page
    from pipeline.reference.metrics_page import metrics_page
    from pipeline.reference.settings_page import settings_page

    return {
        "params.md": settings_page(Params),
        "metrics.md": metrics_page(),
        "commands.md": commands_page(parsers()),
    }


def parsers() -> Iterator[argparse.ArgumentParser]:
    """The parser of every command, in alphabetical order, that of `wespe` first."""
    yield stages.laptop.make_parser()
    for module in pkgutil.iter_modules(stages.__path__):
        main = getattr(importlib.import_module(f"stages.{module.name}"), "main", None)
        if main and not module.ispkg:
            yield parser_of(main)


def parser_of(main: Callable[[], None]) -> argparse.ArgumentParser:
    """The parser that a command makes, caught before it reads the command line."""
    caught: list[argparse.ArgumentParser] = []

    def catch(parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        caught.append(parser)
        raise StopIteration

    with patch.object(argparse.ArgumentParser, "parse_args", catch), suppress(StopIteration):
        main()
    [parser] = caught
    return parser


if __name__ == "__main__":
    main()
