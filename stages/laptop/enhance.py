"""`wespe enhance`: photos and folders, each with its result beside it."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.laptop.parsers import add_command

if TYPE_CHECKING:
    from pipeline.enhancement.destinations import Work
    from pipeline.enhancement.one_photo import Settings
    from pipeline.models.model_folder import Model

EXAMPLES = """examples:
  wespe enhance beach.jpg                          → beach-enhanced.jpg
  wespe enhance *.jpg -o enhanced/                 → enhanced/…
  wespe enhance holiday/ --model my-phone          → holiday-enhanced/
  wespe enhance beach.heic --strength 0.5 -o soft.jpg

No original is ever replaced, nor anything else that wespe has not made. A second run makes a photo's result
anew; of a folder it does what is left: new or changed photos, or all with another model or other settings.
Results that you have changed stay. Links to folders are not followed. All that a photo carries stays: EXIF,
colour profile, 16 bits. HEIF becomes JPEG.
"""
LISTED = 10


def add(commands: Any) -> None:
    parser = add_command(commands, "enhance", "enhance photos and folders of photos", _enhance, EXAMPLES)
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


def _enhance(arguments: argparse.Namespace) -> None:
    from pipeline.enhancement.destinations import plan
    from pipeline.errors import EnhancementError
    from pipeline.models.known_models import find_model

    # What is wrong with names is said first: torch, behind the rest, takes seconds to load.
    work = plan(arguments.sources, arguments.out, _suffix(arguments))
    model_folder = find_model(arguments.model)
    if not work:
        print("nothing to do: these are results of wespe already")
        return
    settings = _settings(arguments)
    failed = _enhance_photos([one for one in work if not one.is_folder], model_folder, settings)
    for one in work:
        if one.is_folder:
            failed += _enhance_folder(one, model_folder, settings)
    if len(failed) == 1:
        raise EnhancementError(failed[0])
    for reason in failed[:LISTED]:
        print(f"  {reason}", file=sys.stderr)
    if failed:
        raise EnhancementError(f"{len(failed)} not enhanced; mend or remove what is listed, and run again")


def _suffix(arguments: argparse.Namespace) -> str:
    return arguments.format.lower().removeprefix(".")


def _settings(arguments: argparse.Namespace) -> "Settings":
    from pipeline.enhancement.one_photo import Settings
    from pipeline.errors import EnhancementError

    try:
        return Settings(
            strength=arguments.strength,
            max_megapixels=arguments.max_megapixels,
            format=_suffix(arguments),
            quality=arguments.quality,
        )
    except ValueError as error:
        raise EnhancementError(f"--{error}") from None


def _enhance_folder(work: "Work", model_folder: Path, settings: "Settings") -> list[str]:
    """Do what is left to do of a folder. Returns what failed, and why."""
    from pipeline.enhancement.job import carry_out, in_process
    from pipeline.enhancement.plan import make_plan
    from pipeline.enhancement.routing import Router
    from pipeline.photos.formats import RAW

    if raw := sum(path.suffix.lower() in RAW for path in work.source.rglob("*")):
        print(f"{work.source}: {raw} RAW files are passed over; develop them to TIFF first", file=sys.stderr)
    router = Router(fixed=str(model_folder))
    plan = make_plan([str(work.source)], str(work.destination), router, Path, settings)
    summary = carry_out(plan, in_process, max_failed_share=1)
    there = f", {plan.finished} were there already" if plan.finished else ""
    there += f", {len(plan.changed)} that you have changed stay" if plan.changed else ""
    print(f"{summary.done} photos → {work.destination}{there}")
    return [f"{work.source / entry.photo}: {entry.reason}" for entry in summary.failed]


def _enhance_photos(work: "list[Work]", model_folder: Path, settings: "Settings") -> list[str]:
    """Enhance one photo after the other, and say where they are. Returns what failed, and why."""
    if not work:
        return []
    import torch

    from pipeline.enhancement.enhancer import reason_of
    from pipeline.logs import Progress
    from pipeline.models.model_folder import load_model

    model = load_model(model_folder, "cuda" if torch.cuda.is_available() else "cpu")
    progress, done, failed = Progress("enhance", len(work), "photos"), [], []
    for one in work:
        try:
            _enhance_photo(model, one, settings)
            done.append(str(one.destination))
        except Exception as error:  # whatever is wrong with one must not stop the others
            failed.append(f"{one.source}: {reason_of(error)}")
        progress.update()
    print("".join(f"{path}\n" for path in done), end="")
    return failed


def _enhance_photo(model: "Model", work: "Work", settings: "Settings") -> None:
    from pipeline.enhancement.one_photo import enhance_photo
    from pipeline.files import write_atomically

    with open(work.source, "rb") as file:
        enhanced = enhance_photo(model, file, work.destination.suffix, settings).data
    work.destination.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(work.destination, enhanced)
