"""The command for one machine: `wespe enhance beach.jpg`, `wespe models`, `wespe datasets` …"""

import argparse

from stages.command import parse, run
from stages.laptop import compare, completion, datasets, enhance, explain, models

ABOUT = """examples:
  wespe models                               the models on this machine
  wespe models add Downloads/my-phone.zip    (once) add a model for your camera
  wespe enhance beach.jpg                    → beach-enhanced.jpg, by the model for the photo's camera
  wespe enhance holiday/                     → holiday-enhanced/
  wespe compare holiday holiday-enhanced     → a page with before/after sliders
  wespe datasets                             public photo sets to learn from, with their licences

More about a command: wespe COMMAND --help. Tab completion: wespe completion --help
"""


def main() -> None:
    parser = make_parser()
    arguments = parse(parser)
    if arguments.command is None:
        parser.print_help()
        return
    run(f"wespe {arguments.command}", lambda: arguments.work(arguments))


def make_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands; each stores its function in `arguments.work`."""
    parser = argparse.ArgumentParser(
        prog="wespe",
        description="Enhance photos with a model for your camera.",
        epilog=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for part in (enhance, explain, models, compare, datasets, completion):
        part.add(commands)
    return parser
