"""Fetch the photos of one camera or target: `python -m stages.fetch cameras.demo-phone`."""

import argparse
import sys

from stages.command import parse, run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.fetch",
        description="Fetch the photos of one camera or target from their source in params.yaml, verify them,"
        " and list them in data/cameras/NAME/photos/manifest.parquet, or in data/targets.",
        epilog="After an interruption, run the same command again: finished downloads are kept, unfinished"
        " ones are resumed. `dvc repro` runs this for every photo set that has changed.",
    )
    parser.add_argument(
        "address",
        metavar="cameras.NAME|targets.NAME",
        help="a block in params.yaml, such as cameras.demo-phone",
    )
    address = parse(parser).address
    run("fetch", lambda: _fetch(address))


def _fetch(address: str) -> None:
    from pipeline.params import load
    from pipeline.sources.fetching import fetch_photos

    summary = fetch_photos(address, load().photo_set(address).photos)
    for warning in summary.warnings:
        print(f"fetch {address}: {warning}", file=sys.stderr)
    print(f"fetch {address}: {summary}")


if __name__ == "__main__":
    main()
