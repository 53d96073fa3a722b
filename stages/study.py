"""Run a user study on pairs of photos: `python -m stages.study --help`."""

import argparse
from pathlib import Path

from pipeline.layout import STUDIES
from stages.command import parse, run

EXAMPLES = """examples:
  python -m stages.study phone --photos holiday enhanced --labels before after
  python -m stages.study phone --collect ~/Downloads/choices-*.json
  python -m stages.study phone --collect ~/Downloads/choices-*.json --camera my-phone

The first command writes reports/studies/phone.html: send this file to participants. They open it in a
browser, and send back the file that its last screen saves. The page does not reveal the folders of the
photos; that information is in phone.key.json, which stays here. The other commands print how often each side
is preferred, and write phone.json. You can compare any two folders: before and after, two methods …
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.study",
        description="Create a page that asks which of two photos people prefer, or count their answers.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help="name of the study, from a–z, 0–9 and -")
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument(
        "--photos", nargs=2, type=Path, metavar="FOLDER", help="two folders of photos with the same names"
    )
    task.add_argument("--collect", nargs="+", type=Path, metavar="FILE", help="files that participants saved")
    parser.add_argument("--labels", nargs=2, metavar="LABEL", help="(default: the folders' names)")
    parser.add_argument(
        "--pairs",
        type=int,
        default=30,
        help="maximum number of pairs, drawn at random (default: %(default)s)",
    )
    parser.add_argument("--camera", help="with --collect: write the shares to this camera's MLflow run")
    arguments = parse(parser)
    if arguments.pairs < 1:
        parser.error("--pairs must be 1 or more")
    if arguments.camera and arguments.photos:
        parser.error("--camera needs --collect")
    run("study", lambda: _collect(arguments) if arguments.collect else _make(arguments))


def _make(arguments: argparse.Namespace) -> None:
    from pipeline.research.study.page import make_study

    first, second = arguments.photos
    labels = tuple(arguments.labels or (first.resolve().name, second.resolve().name))
    study = make_study(arguments.name, (first, second), labels, arguments.pairs, STUDIES)
    page = STUDIES / f"{study.name}.html"
    print(f"{len(study.pairs)} pairs, {' or '.join(labels)} → {page}, {page.stat().st_size / 1e6:.1f} MB")
    print(f"send {page.name} to participants; then run python -m stages.study {study.name} --collect FILE...")


def _collect(arguments: argparse.Namespace) -> None:
    from pipeline.research.study.answers import read_answers
    from pipeline.research.study.key import read_key
    from pipeline.research.study.preferences import count_preferences, table, write_preferences

    study = read_key(STUDIES, arguments.name)
    preferences = count_preferences(study, read_answers(arguments.collect, study))
    write_preferences(STUDIES / f"{study.name}.json", preferences)
    print(f"{study.name}: participants: {preferences.participants}; shares with 95 % intervals")
    print(table(preferences))
    if arguments.camera:
        from pipeline.registry.registry import log_study

        log_study(arguments.camera, preferences.metrics())


if __name__ == "__main__":
    main()
