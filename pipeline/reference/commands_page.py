"""The page of all commands, from their argparse parsers."""

import argparse
from collections.abc import Iterable, Iterator
from functools import partial

WIDTH = 88  # of the usage, in characters
HEAD = """# Commands

Every command with its arguments, generated from the parsers: `--help` shows the same. Exit codes and kinds of
errors are in [Errors](errors.md).
"""


def commands_page(parsers: Iterable[argparse.ArgumentParser]) -> str:
    """A Markdown page with one section for each command, and one below it for each of its own commands."""
    return "\n".join([HEAD, *(line for parser in parsers for line in _section(parser, level=2))])


def _section(parser: argparse.ArgumentParser, level: int) -> Iterator[str]:
    """Description, usage and arguments, then the examples. The parser's texts are taken out of it."""
    yield f"{'#' * level} {parser.prog}\n"
    if parser.description:
        yield f"{parser.description}\n"
    examples, parser.description, parser.epilog = parser.epilog, None, None
    parser.formatter_class = partial(parser.formatter_class, width=WIDTH)  # type: ignore[assignment, call-arg]
    yield f"```text\n{parser.format_help().strip()}\n```\n"
    if examples:
        yield f"```text\n{examples.strip()}\n```\n"
    for child in _children(parser):
        yield from _section(child, level + 1)


def _children(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The commands of a command. argparse has no public way to ask for them."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return [child for group in groups for child in group.choices.values()]
