"""Enhance photos with a camera's model, folder to folder: `python -m stages.enhance --model MODEL IN OUT`."""

import argparse
import sys
from pathlib import Path

from pipeline.errors import EnhancementError
from stages.command import run

EXAMPLES = """examples:
  python -m stages.enhance --model models:/wespe-demo-phone@champion holiday/ enhanced/
  python -m stages.enhance --model models:/wespe-demo-phone/3 holiday/beach.jpg enhanced/
  python -m stages.enhance --model models/demo-phone --strength 0.5 --format jpg holiday/ enhanced/
  python -m stages.enhance --model models/demo-phone --max-megapixels 0.5 holiday/ preview/
  python -m stages.enhance --model models/demo-phone --verify holiday/beach.jpg

Names, sub-folders and formats stay, and so does all that a photo carries: EXIF, XMP, IPTC, colour profile,
density, alpha, 16 bits. Every result is a line in OUT/enhanced.jsonl: a second run does only what is new,
changed, failed before, or made by another model or with other settings. A photo that fails does not stop the
others; the exit code is then 1. RAY_ADDRESS names a cluster to use; GPUs are used where Ray has them.
"""
LISTED = 10


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.enhance",
        description="Enhance every photo of a folder, or one photo, with a camera's model.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, help="a registered model's URI, or a model folder")
    parser.add_argument("source", metavar="IN", type=Path, nargs="?", help="a folder of photos, or one photo")
    parser.add_argument(
        "destination", metavar="OUT", type=Path, nargs="?", help="the folder for the enhanced"
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
    parser.add_argument(
        "--verify", type=Path, metavar="PHOTO", help="show how far tiles differ from the whole"
    )
    arguments = parser.parse_args()
    if not arguments.verify and not arguments.destination:
        parser.error("name IN and OUT, or --verify PHOTO")
    run("enhance", lambda: _verify(arguments) if arguments.verify else _enhance(arguments))


def _verify(arguments: argparse.Namespace) -> None:
    from pipeline.one_photo import verify_tiles
    from pipeline.registry import fetch_model

    print(verify_tiles(fetch_model(arguments.model), arguments.verify))


def _enhance(arguments: argparse.Namespace) -> None:
    from pipeline.enhancement import enhance_folder
    from pipeline.one_photo import Settings
    from pipeline.registry import fetch_model

    try:
        settings = Settings(
            strength=arguments.strength,
            max_megapixels=arguments.max_megapixels,
            format=arguments.format.lower().removeprefix("."),
            quality=arguments.quality,
        )
    except ValueError as error:
        raise EnhancementError(f"--{error}") from None
    destination = arguments.destination
    summary = enhance_folder(fetch_model(arguments.model), arguments.source, destination, settings)
    failed = len(summary.failed)
    for entry in summary.failed[:LISTED]:
        print(f"  {entry.photo}: {entry.reason}", file=sys.stderr)
    print(f"{summary.done} done, {summary.skipped} skipped, {failed} failed → {destination}")
    if failed:
        where = f"all listed in {summary.ledger}"
        raise EnhancementError(f"{failed} photos failed, {where}; mend or remove them and run again")


if __name__ == "__main__":
    main()
