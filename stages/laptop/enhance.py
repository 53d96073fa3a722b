"""`wespe enhance`: enhance photos, films and folders, with results next to their originals."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.laptop.films import add_options, enhance_films, film_settings, films_of
from stages.laptop.parsers import add_command

if TYPE_CHECKING:
    from pipeline.enhancement.destinations import Work
    from pipeline.enhancement.model_choice import ModelChoice
    from pipeline.enhancement.one_photo import Settings
    from pipeline.models.model_folder import Model

EXAMPLES = """examples:
  wespe enhance beach.jpg                          → beach-enhanced.jpg
  wespe enhance *.jpg -o enhanced/                 → enhanced/…
  wespe enhance holiday/ --model my-phone          → holiday-enhanced/
  wespe enhance beach.heic --strength 0.5 -o soft.jpg
  wespe enhance clip.mp4                           → clip-enhanced.mp4 (needs the extra `film`)

Without --model each photo gets the model whose card lists the camera in its EXIF; else the only model that
you have added; else `generic-phone`, if it is there. A line on stderr tells which and why.

Only files made by wespe are ever replaced. A second run enhances single photos again; in folders, it only
enhances new or changed photos, or all with another model or other settings. Results that you have edited
are kept. Links to folders are not followed. Metadata and format are kept: EXIF, colour profile, 16 bits.
HEIF becomes JPEG, and RAW becomes TIFF, developed with the camera's white balance and exposure. Results with
equal names are numbered.

Films keep container, size, times, sound, subtitles, rotation and colour tags. Run a killed command again, and
it goes on; what it has so far is in clip-enhanced.mp4.part/.
"""
LISTED = 10


def add(commands: Any) -> None:
    parser = add_command(commands, "enhance", "enhance photos, films and folders of them", _enhance, EXAMPLES)
    parser.add_argument("sources", metavar="PHOTO_FILM_OR_FOLDER", type=Path, nargs="+")
    parser.add_argument(
        "-o", "--out", type=Path, help="the folder or file for the results; default: next to each original"
    )
    parser.add_argument(
        "--model",
        default="",
        help="a known model's name, a model folder, or a file of edits (see `wespe explain`); "
        "default: by each photo's camera",
    )
    parser.add_argument(
        "--strength",
        type=float,
        default=1,
        metavar="0…1",
        help="strength of the effect; 0 does not change pixels; default 1",
    )
    parser.add_argument(
        "--max-megapixels", type=float, default=0, metavar="N", help="reduce larger photos to this size first"
    )
    parser.add_argument(
        "--format",
        default="",
        metavar="SUFFIX",
        help="jpg, png, tif, webp, avif or jxl; default: the photo's format",
    )
    parser.add_argument(
        "--quality",
        type=int,
        default=0,
        metavar="1…100",
        help="quality of JPEG, WebP, AVIF and JPEG XL; default: that of the photo, or 95",
    )
    parser.add_argument(
        "--crop",
        action="store_true",
        help="crop photos as the model decides; for models that learned to crop",
    )
    parser.add_argument(
        "--keep-dates", action="store_true", help="give new results the file dates of their originals"
    )
    add_options(parser)


def _enhance(arguments: argparse.Namespace) -> None:
    from pipeline.enhancement.destinations import plan
    from pipeline.enhancement.model_choice import choose_models
    from pipeline.errors import EnhancementError
    from pipeline.photos.formats import photos_below

    # Report wrong names first, since the rest imports torch, which takes seconds.
    work = plan(arguments.sources, arguments.out, _suffix(arguments))
    choice = choose_models(arguments.model)
    if not work:
        print("nothing to do: all of these are results of wespe")
        return
    settings, keep_dates = _settings(arguments), arguments.keep_dates
    film_settings(arguments)
    photos = [one for one in work if not (one.is_folder or one.is_film)]
    failed = _enhance_photos(photos, choice, settings, keep_dates)
    for one in work:
        films = films_of(one) if one.is_folder or one.is_film else []
        if one.is_folder and (photos_below(one.source) or not films):
            failed += _enhance_folder(one, choice, settings, keep_dates)
        failed += enhance_films(films, choice, arguments, _load)
    if len(failed) == 1:
        raise EnhancementError(failed[0])
    for reason in failed[:LISTED]:
        print(f"  {reason}", file=sys.stderr)
    if failed:
        raise EnhancementError(
            f"{len(failed)} photos or films failed; fix or remove those listed, and run again"
        )


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
            crop=arguments.crop,
        )
    except ValueError as error:
        raise EnhancementError(f"--{error}") from None


def _enhance_folder(work: "Work", choice: "ModelChoice", settings: "Settings", keep_dates: bool) -> list[str]:
    """Enhance the new and changed photos of a folder. Return failures with their reasons."""
    from pipeline.enhancement.job import carry_out, in_process
    from pipeline.enhancement.plan import make_plan

    plan = make_plan([str(work.source)], str(work.destination), choice.router, Path, settings, keep_dates)
    _tell(choice, [task.model for task in plan.tasks])
    if plan.doubled:
        print(f"{len(plan.doubled)} RAW skipped, beside the camera's own photos of them", file=sys.stderr)
    summary = carry_out(plan, in_process, max_failed_share=1)
    there = f", {plan.finished} up to date" if plan.finished else ""
    there += f", {len(plan.changed)} edited results kept" if plan.changed else ""
    for line in summary.warnings[:LISTED]:
        print(f"  {line}", file=sys.stderr)
    print(f"{summary.done} photos → {work.destination}{there}")
    failed = [f"{work.source / entry.photo}: {entry.reason}" for entry in summary.failed]
    return failed + [f"{work.source / photo}: {choice.unmatched}" for photo in plan.unmatched]


def _tell(choice: "ModelChoice", chosen: list[str]) -> None:
    for line in choice.lines(chosen):
        print(line, file=sys.stderr)


def _enhance_photos(
    work: "list[Work]", choice: "ModelChoice", settings: "Settings", keep_dates: bool
) -> list[str]:
    """Enhance photos one by one, and print the paths of the results. Return failures with their reasons."""
    if not work:
        return []
    from pipeline.enhancement.enhancer import reason_of
    from pipeline.errors import EnhancementError
    from pipeline.logs import PhotoWarnings, Progress
    from pipeline.photos.headers import header_of

    chosen = [choice.router.choose(header_of(one.source)) for one in work]
    models = _load(chosen)
    _tell(choice, chosen)
    progress, warnings = Progress("enhance", len(work), "photos"), PhotoWarnings()
    done, failed = list[str](), list[str]()
    try:
        for one, folder in zip(work, chosen, strict=True):
            try:
                if not folder:
                    raise EnhancementError(choice.unmatched)
                warnings.add(str(one.source), _enhance_photo(models[folder], one, settings, keep_dates))
                done.append(str(one.destination))
            except Exception as error:  # no error of one photo may stop the others
                failed.append(f"{one.source}: {reason_of(error)}")
            progress.update()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{len(done)} of {len(work)} photos are enhanced") from None
    finally:
        print("".join(f"{path}\n" for path in done), end="")
        for line in warnings.lines()[:LISTED]:
            print(f"  {line}", file=sys.stderr)
    return failed


def _load(chosen: list[str]) -> "dict[str, Model]":
    """Load each chosen model once, on the GPU if there is one."""
    import torch

    from pipeline.models.edits_file import load_model_or_edits

    device = "cuda" if torch.cuda.is_available() else "cpu"
    folders = dict.fromkeys(filter(None, chosen))
    return {folder: load_model_or_edits(Path(folder), device) for folder in folders}


def _enhance_photo(model: "Model", work: "Work", settings: "Settings", keep_dates: bool) -> tuple[str, ...]:
    """Write one result; return the warnings about it."""
    from pipeline.enhancement.one_photo import enhance_photo, readable
    from pipeline.files import write_atomically

    with open(work.source, "rb") as file:
        enhanced = enhance_photo(model, file, work.destination.suffix, settings)
    work.destination.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(work.destination, enhanced.data)
    if enhanced.decided:
        print(f"{work.source}: {readable(enhanced.decided)}", file=sys.stderr)
    if keep_dates:
        facts = work.source.stat()
        os.utime(work.destination, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    return enhanced.warnings
