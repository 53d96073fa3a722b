"""`wespe completion`: print a script for tab completion of commands, options and model names."""

import argparse
from pathlib import Path
from typing import Any

from stages.laptop.parsers import add_command

SETUP = """run once, for your shell:
  bash   wespe completion bash > ~/.local/share/bash-completion/completions/wespe
  zsh    wespe completion zsh > ~/.zfunc/_wespe      with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc
  tcsh   wespe completion tcsh > ~/.wespe.tcsh       with `source ~/.wespe.tcsh` in ~/.tcshrc
"""
NAMES = "wespe models --names 2>/dev/null"
PREAMBLE = {
    "bash": f'_wespe_models() {{ compgen -W "$({NAMES})" -- "$1"; compgen -d -- "$1"; }}',
    "zsh": f'_wespe_models() {{ local -a n; n=(${{(f)"$({NAMES})"}}); compadd -a n; _files -/; }}',
}


def add(commands: Any) -> None:
    help = "print a script for tab completion in a shell"
    parser = add_command(commands, "completion", help, _completion, SETUP)
    parser.add_argument("shell", choices=["bash", "zsh", "tcsh"])


def _completion(arguments: argparse.Namespace) -> None:
    import shtab

    from stages.laptop import make_parser

    parser = make_parser()
    _mark(parser, shtab.FILE)
    print(shtab.complete(parser, arguments.shell, preamble=PREAMBLE))  # type: ignore[arg-type]


def _mark(parser: argparse.ArgumentParser, file: dict[str, Any]) -> None:
    """Mark the arguments that are paths or models, also those of a command's own commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _mark(command, file)
        elif action.type is Path:
            action.complete = file  # type: ignore[attr-defined]
        elif action.dest == "model":
            action.complete = dict.fromkeys(PREAMBLE, "_wespe_models")  # type: ignore[attr-defined]
