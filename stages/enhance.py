"""Enhance many photos with a camera's model: `python -m stages.enhance --model MODEL IN OUT`."""

import argparse
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import EnhancementError
from stages.command import parse, run

if TYPE_CHECKING:
    from pipeline.enhancement.plan import Plan

EXAMPLES = """examples:
  python -m stages.enhance --model models:/wespe-demo-phone@champion holiday/ enhanced/
  python -m stages.enhance --model models/demo-phone --dry-run holiday/ enhanced/
  python -m stages.enhance --model models/demo-phone 'roll-*/**/*.jpg' enhanced/
  python -m stages.enhance --model models/demo-phone list.txt s3://bucket/enhanced/
  python -m stages.enhance --model auto s3://bucket/photos/ s3://bucket/enhanced/
  python -m stages.enhance --model models/demo-phone --max-megapixels 0.5 holiday/ preview/
  python -m stages.enhance --model models/demo-phone --verify holiday/beach.jpg

IN is a folder or an s3:// prefix, including sub-folders, a photo, a quoted pattern (** matches any folders),
or a list: .txt with one photo per line, .csv or .parquet with a column `photo`. OUT gets the same folder
structure as IN; several folders keep their names. Results have the names of their photos; equal names are
numbered, so that IMG_1.HEIC next to IMG_1.jpg becomes IMG_1-2.jpg. Metadata and format are kept: EXIF, XMP,
IPTC, colour profile, resolution, alpha, 16 bits. HEIF becomes JPEG, and RAW becomes TIFF, developed with the
camera's white balance and exposure. With --model auto, `routes` in params.yaml choose the model by each
photo's EXIF.

OUT/ledger (Parquet) lists the outcome of every photo: a second run only enhances photos that are new, have
changed or failed, or were made with another model or settings. A failed photo does not stop the others,
unless many fail; the exit code is 1 if any did, 130 after Ctrl-C. RAY_ADDRESS names a cluster,
WESPE_WORKERS the number of workers; GPUs are used if Ray has any. boto3 finds the S3 credentials, on
every node; AWS_ENDPOINT_URL names another provider.
"""
LISTED = 10


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.enhance",
        description="Enhance photos, few or many, with a camera's model.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", required=True, help="a registered model's URI, a model folder, or auto")
    add("places", metavar="IN… OUT", nargs="*", help="photos to enhance, and the destination for the results")
    add(
        "--dry-run",
        action="store_true",
        help="print what would be done, with estimates of time and disk space",
    )
    add(
        "--strength",
        type=float,
        default=1,
        metavar="0…1",
        help="strength of the effect; 0 does not change pixels; default 1",
    )
    add(
        "--max-megapixels", type=float, default=0, metavar="N", help="reduce larger photos to this size first"
    )
    add(
        "--format",
        default="",
        metavar="SUFFIX",
        help="jpg, png, tif, webp, avif or jxl; default: the photo's format",
    )
    add(
        "--quality",
        type=int,
        default=0,
        metavar="1…100",
        help="quality of JPEG, WebP, AVIF and JPEG XL; default: that of the photo, or 95",
    )
    add(
        "--max-failed-share",
        type=float,
        default=0.05,
        metavar="0…1",
        help="stop if more than this share of the photos, and more than ten, fail; default 0.05",
    )
    add("--keep-dates", action="store_true", help="give new results the file dates of their originals")
    add(
        "--verify",
        type=Path,
        metavar="PHOTO",
        help="compare the result in tiles with that of the whole photo",
    )
    arguments = parse(parser)
    if not arguments.verify and len(arguments.places) < 2:
        parser.error("give IN and OUT, or --verify PHOTO")
    if not arguments.model:  # from an unset variable, for example
        parser.error("--model is empty; give a model, or auto")
    if not 0 <= arguments.max_failed_share <= 1:
        parser.error(f"--max-failed-share must be from 0 to 1, not {arguments.max_failed_share}")
    run("enhance", lambda: _verify(arguments) if arguments.verify else _enhance(arguments))


def _verify(arguments: argparse.Namespace) -> None:
    from pipeline.enhancement.one_photo import verify_tiles
    from pipeline.registry.registry import fetch_model

    print(verify_tiles(fetch_model(arguments.model), arguments.verify))


def _enhance(arguments: argparse.Namespace) -> None:
    from pipeline.enhancement.actors import on_ray
    from pipeline.enhancement.job import LISTED as WHERE
    from pipeline.enhancement.job import carry_out

    plan = _plan(arguments)
    _print_skipped(plan)
    if arguments.dry_run:
        return _print_plan(plan)
    summary = carry_out(plan, on_ray, arguments.max_failed_share)
    for entry in summary.failed[:LISTED]:
        print(f"  {entry.photo}: {entry.reason}", file=sys.stderr)
    for line in summary.warnings[:LISTED]:
        print(f"  {line}", file=sys.stderr)
    failed = len(summary.failed)
    print(f"{summary.done} done, {plan.finished} up to date, {failed} failed → {plan.destination.address}")
    if failed:
        raise EnhancementError(f"photos failed: {failed}; {WHERE.format(plan.ledger.address)}")


def _plan(arguments: argparse.Namespace) -> "Plan":
    from pipeline.enhancement.one_photo import Settings
    from pipeline.enhancement.plan import make_plan
    from pipeline.enhancement.routing import AUTO, Router
    from pipeline.registry.registry import fetch_model

    try:
        settings = Settings(
            strength=arguments.strength,
            max_megapixels=arguments.max_megapixels,
            format=arguments.format.lower().removeprefix("."),
            quality=arguments.quality,
        )
    except ValueError as error:
        raise EnhancementError(f"--{error}") from None
    router = Router(fixed=arguments.model)
    if arguments.model == AUTO:
        from pipeline import params

        router = Router(routes=params.load().routes)
        if not router.routes:
            raise EnhancementError("--model auto: params.yaml has no `routes`; add some, or give a model")
    *sources, destination = arguments.places
    return make_plan(sources, destination, router, fetch_model, settings, arguments.keep_dates)


def _print_skipped(plan: "Plan") -> None:
    for photo in plan.unmatched[:LISTED]:
        print(f"  {photo}: no route in params.yaml matches its camera", file=sys.stderr)
    if plan.unmatched:
        print(f"{len(plan.unmatched)} photos skipped, without a route", file=sys.stderr)
    if plan.doubled:
        print(f"{len(plan.doubled)} RAW skipped, beside the camera's own photos of them", file=sys.stderr)
    for photo in plan.changed[:LISTED]:
        print(
            f"  {photo}: its result has been edited; delete the result to enhance the photo again",
            file=sys.stderr,
        )
    if plan.changed:
        print(f"{len(plan.changed)} photos skipped, since their results have been edited", file=sys.stderr)


def _print_plan(plan: "Plan") -> None:
    from pipeline.enhancement.estimate import estimate

    there = sum(task.bytes for task in plan.tasks)
    print(f"{len(plan.tasks)} photos to enhance, {plan.megapixels:,.1f} megapixels, {there / 1e6:,.1f} MB")
    print(f"{plan.finished} up to date, {len(plan.unmatched)} without a route")
    for uri in plan.folders:
        print(f"  {uri}  {sum(task.model == uri for task in plan.tasks)} photos")
    if estimated := estimate(plan):
        free = plan.destination.free_bytes()
        room = "" if free is None else f" of {free / 1e6:,.0f} MB free"
        time = timedelta(seconds=round(estimated.seconds))
        print(f"about {time} with one worker as fast as this machine, divided by the number of workers")
        print(f"about {estimated.bytes / 1e6:,.1f} MB{room}")


if __name__ == "__main__":
    main()
