"""Creates the parsers of the commands of `wespe`."""

import argparse
from collections.abc import Callable
from typing import Any


def add_command(
    commands: Any, name: str, help: str, work: Callable[[argparse.Namespace], None], epilog: str
) -> argparse.ArgumentParser:
    """Add a command to a parser; `help` is one line without a full stop."""
    parser = commands.add_parser(
        name,
        help=help,
        description=f"{help[0].upper()}{help[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(work=work)
    return parser
