"""The command for one's own machine: `wespe enhance beach.jpg`, `wespe models`, `wespe compare A B`."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stages.command import run

if TYPE_CHECKING:
    from pipeline.destinations import Work
    from pipeline.one_photo import Settings

ABOUT = """examples:
  wespe models add Downloads/my-phone.zip    once: a model for your camera
  wespe enhance beach.jpg                    → beach-enhanced.jpg
  wespe enhance holiday/                     → holiday-enhanced/
  wespe compare holiday holiday-enhanced     → a page with a slider, to look at

`wespe COMMAND --help` says more. Tab completion: wespe completion --help
"""
ENHANCE = """examples:
  wespe enhance beach.jpg                          → beach-enhanced.jpg
  wespe enhance *.jpg -o enhanced/                 → enhanced/…
  wespe enhance holiday/ --model my-phone          → holiday-enhanced/
  wespe enhance beach.heic --strength 0.5 -o soft.jpg

No original is ever replaced. A second run makes the results anew, over its own and nothing else; results
among the photos are left out. All that a photo carries stays: EXIF, colour profile, 16 bits. HEIF becomes
JPEG.
"""
MODELS = """A model is a folder with config.json and generator.safetensors, or a zip or tar archive of it.
Known are those in ./models, and those that you add: they are copied to $WESPE_MODELS, or to the place that
the platform has for data. To forget one, remove its folder.
"""
COMPLETION = """once, for your shell:
  bash   wespe completion bash > ~/.local/share/bash-completion/completions/wespe
  zsh    wespe completion zsh > ~/.zfunc/_wespe      with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc
  tcsh   wespe completion tcsh > ~/.wespe.tcsh       with `source ~/.wespe.tcsh` in ~/.tcshrc
"""
NAMES = "wespe models --names 2>/dev/null"
PREAMBLE = {
    "bash": f'_wespe_models() {{ compgen -W "$({NAMES})" -- "$1"; compgen -d -- "$1"; }}',
    "zsh": f'_wespe_models() {{ local -a n; n=(${{(f)"$({NAMES})"}}); compadd -a n; _files -/; }}',
}
LISTED = 10


def main() -> None:
    parser = _parser()
    arguments = parser.parse_args()
    if arguments.command is None:
        parser.print_help()
        return
    run(f"wespe {arguments.command}", lambda: arguments.work(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wespe",
        description="Enhance photos with a model for your camera.",
        epilog=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for add in (_add_enhance, _add_models, _add_compare, _add_completion):
        add(commands)
    return parser


def _command(commands, name: str, help: str, work, epilog: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=help,
        description=f"{help[0].upper()}{help[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(work=work)
    return parser


def _add_enhance(commands) -> None:
    parser = _command(commands, "enhance", "enhance photos and folders of photos", _enhance, ENHANCE)
    parser.add_argument("sources", metavar="PHOTO_OR_FOLDER", type=Path, nargs="+")
    parser.add_argument(
        "-o", "--out", type=Path, help="the folder for the results, or the file; else beside each"
    )
    parser.add_argument(
        "--model", default="", help="a known model's name, or its folder; else the only known"
    )
    parser.add_argument(
        "--strength", type=float, default=1, metavar="0…1", help="0 leaves the pixels as they are"
    )
    parser.add_argument(
        "--max-megapixels", type=float, default=0, metavar="N", help="reduce larger photos first"
    )
    parser.add_argument(
        "--format", default="", metavar="SUFFIX", help="jpg, png, tif, webp, avif; else each its own"
    )
    parser.add_argument(
        "--quality", type=int, default=0, metavar="1…100", help="else that of each photo, or 95"
    )


def _add_models(commands) -> None:
    parser = _command(
        commands, "models", "list the models that this machine knows, or add one", _models, MODELS
    )
    parser.add_argument("--names", action="store_true", help="their names alone, for completion")
    parser.add_argument("action", nargs="?", choices=["add"], help="add one, instead of listing them")
    parser.add_argument("model", metavar="FOLDER_OR_ARCHIVE", type=Path, nargs="?", help="what to add")


def _add_compare(commands) -> None:
    help = "make a page with a before/after slider, which opens offline"
    parser = _command(
        commands, "compare", help, _compare, "Folders are matched by the names of their photos."
    )
    parser.add_argument("before", metavar="BEFORE", type=Path, help="a photo, or a folder")
    parser.add_argument("after", metavar="AFTER", type=Path, help="what became of it")
    parser.add_argument("-o", "--out", type=Path, metavar="PAGE", help="else AFTER-compared.html")
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def _add_completion(commands) -> None:
    help = "print what completes this command in a shell"
    parser = _command(commands, "completion", help, _completion, COMPLETION)
    parser.add_argument("shell", choices=["bash", "zsh", "tcsh"])


def _enhance(arguments: argparse.Namespace) -> None:
    from pipeline.destinations import plan
    from pipeline.errors import EnhancementError
    from pipeline.known_models import find_model

    format = arguments.format.lower().removeprefix(".")
    work = plan(arguments.sources, arguments.out, format)
    model_folder = find_model(arguments.model)

    from pipeline.one_photo import (
        Settings,
    )  # torch, which takes seconds: after all that can be said without it

    try:
        settings = Settings(
            strength=arguments.strength,
            max_megapixels=arguments.max_megapixels,
            format=format,
            quality=arguments.quality,
        )
    except ValueError as error:
        raise EnhancementError(f"--{error}") from None
    _enhance_photos([one for one in work if not one.is_folder], model_folder, settings)
    for one in work:
        if one.is_folder:
            _enhance_folder(one, model_folder, settings)
    if not work:
        print("nothing to do: these are results of wespe already")


def _enhance_folder(work: "Work", model_folder: Path, settings: "Settings") -> None:
    from pipeline.destinations import Work, keep_safe
    from pipeline.errors import EnhancementError
    from pipeline.formats import RAW, is_photo, written_as

    files = sorted(path for path in work.source.rglob("*") if path.is_file())
    photos = [path for path in files if is_photo(path.relative_to(work.source).as_posix())]
    if raw := sum(path.suffix.lower() in RAW for path in files):
        print(f"{work.source}: {raw} RAW files are passed over; develop them to TIFF first", file=sys.stderr)
    if not photos:
        raise EnhancementError(f"{work.source}: no photo in or below it")
    jobs = []
    for photo in photos:
        result = work.destination / photo.relative_to(work.source)
        result = result.with_suffix(f".{settings.format}" if settings.format else written_as(result.suffix))
        jobs.append(Work(source=photo, destination=result, is_folder=False))
    keep_safe(jobs)
    _enhance_photos(jobs, model_folder, settings)


def _enhance_photos(work: "list[Work]", model_folder: Path, settings: "Settings") -> None:
    """Enhance one after the other; a photo that fails does not stop the others. Raises EnhancementError."""
    if not work:
        return
    import torch

    from pipeline.checkpoints import load_model
    from pipeline.errors import EnhancementError, PhotoError
    from pipeline.logs import Progress

    model = load_model(model_folder, "cuda" if torch.cuda.is_available() else "cpu")
    progress, failed = Progress("enhance", len(work), "photos"), []
    for one in work:
        try:
            _enhance_photo(model, one, settings)
        except PhotoError as error:
            failed.append(f"{one.source}: {error}")
        progress.update()
    if failed and len(work) == 1:
        raise EnhancementError(failed[0])
    for reason in failed[:LISTED]:
        print(f"  {reason}", file=sys.stderr)
    print(f"{work[0].destination}" if len(work) == 1 else f"{len(work) - len(failed)} photos done")
    if failed:
        raise EnhancementError(f"{len(failed)} photos failed; the others are done")


def _enhance_photo(model, work: "Work", settings: "Settings") -> None:
    from pipeline.files import write_atomically
    from pipeline.one_photo import enhance_photo

    with open(work.source, "rb") as file:
        enhanced = enhance_photo(model, file, work.destination.suffix, settings)
    work.destination.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(work.destination, enhanced)


def _models(arguments: argparse.Namespace) -> None:
    from pipeline.errors import CheckpointError
    from pipeline.known_models import HOW_TO_ADD, add_model, known_models

    if arguments.action:
        if arguments.model is None:
            raise CheckpointError("add what? name a model folder or an archive of one")
        added = add_model(arguments.model)
        print(f"{added.name} → {added.folder}; use it: wespe enhance PHOTO --model {added.name}")
        return
    models = known_models()
    if arguments.names:
        print("".join(f"{model.name}\n" for model in models), end="")
    elif models:
        print(
            _table([("NAME", "CAMERA → TARGET", "METHOD", "TRAINED", "SIZE", "FOLDER"), *map(_row, models)])
        )
    else:
        print(f"no model yet; {HOW_TO_ADD}")


def _row(model) -> tuple[str, ...]:
    trained = f"{model.steps:,} steps" if model.steps else "–"
    size = f"{model.bytes / 1e6:.1f} MB" if model.bytes >= 1e6 else f"{model.bytes / 1e3:.0f} kB"
    camera = " → ".join(filter(None, (model.camera, model.target)))
    return model.name, camera or "–", model.method or "–", trained, size, str(model.folder)


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _compare(arguments: argparse.Namespace) -> None:
    from pipeline.data.pairs import pairs_by_name
    from pipeline.errors import PipelineError
    from pipeline.pages.before_after import write_before_after

    before, after = arguments.before, arguments.after
    for path in (before, after):
        if not path.exists():
            raise PipelineError(f"{path}: no such photo or folder; correct its name")
    if before.is_dir() != after.is_dir():
        raise PipelineError(f"{before} and {after}: name two photos, or two folders")
    pairs = pairs_by_name(before, after) if before.is_dir() else {after.name: (before, after)}
    page = arguments.out or after.resolve().with_name(f"{after.resolve().stem}-compared.html")
    words = ", ".join(write_before_after(pairs, page).words())
    print(f"{words}\n{page}")
    if arguments.open:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())


def _completion(arguments: argparse.Namespace) -> None:
    import shtab

    parser = _parser()
    for command in parser._subparsers._group_actions[0].choices.values():  # type: ignore[union-attr]
        for action in command._actions:
            if action.type is Path:
                action.complete = shtab.FILE
            elif action.dest == "model":
                action.complete = dict.fromkeys(PREAMBLE, "_wespe_models")
    print(shtab.complete(parser, arguments.shell, preamble=PREAMBLE))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
