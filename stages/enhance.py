"""Enhance photos with a camera's model, folder to folder: `python -m stages.enhance --model MODEL IN OUT`."""

import argparse
import sys
from pathlib import Path

from pipeline.errors import EnhancementError
from stages.command import run

EXAMPLES = """examples:
  python -m stages.enhance --model models:/wespe-demo-phone@champion holiday/ enhanced/
  python -m stages.enhance --model models:/wespe-demo-phone/3 holiday/beach.jpg enhanced/
  python -m stages.enhance --model models/demo-phone holiday/ enhanced/

Names, sub-folders and formats stay. Every result is a line in OUT/enhanced.jsonl: a second run does only
what is new, changed, failed before, or made by another model. A photo that fails does not stop the others;
the exit code is then 1. RAY_ADDRESS names a cluster to use; GPUs are used where Ray has them.
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
    parser.add_argument("source", metavar="IN", type=Path, help="a folder of photos, or one photo; only read")
    parser.add_argument("destination", metavar="OUT", type=Path, help="the folder for the enhanced photos")
    arguments = parser.parse_args()
    run("enhance", lambda: _enhance(arguments.model, arguments.source, arguments.destination))


def _enhance(model: str, source: Path, destination: Path) -> None:
    from pipeline.enhancement import enhance_folder
    from pipeline.registry import fetch_model

    summary = enhance_folder(fetch_model(model), source, destination)
    failed = len(summary.failed)
    for entry in summary.failed[:LISTED]:
        print(f"  {entry.photo}: {entry.reason}", file=sys.stderr)
    print(f"{summary.done} done, {summary.skipped} skipped, {failed} failed → {destination}")
    if failed:
        where = f"all listed in {summary.ledger}"
        raise EnhancementError(f"{failed} photos failed, {where}; mend or remove them and run again")


if __name__ == "__main__":
    main()
