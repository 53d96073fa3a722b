"""Fetch the photos of one camera or target: `python -m stages.fetch cameras.demo-phone`."""

import argparse

from stages.command import run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.fetch",
        description="Bring the photos of one camera or target from where params.yaml says, verify each,"
        " and list them in data/cameras/NAME/photos/manifest.parquet, or below data/targets.",
        epilog="Run again after a stop: finished downloads are kept, unfinished ones go on where they were."
        " `dvc repro` runs this for every photo set that has changed.",
    )
    parser.add_argument(
        "address", metavar="cameras.NAME|targets.NAME", help="a block of params.yaml: cameras.demo-phone"
    )
    address = parser.parse_args().address
    run("fetch", lambda: _fetch(address))


def _fetch(address: str) -> None:
    from pipeline.params import load
    from pipeline.sources.fetching import fetch_photos

    fetched = fetch_photos(address, load().photo_set(address).photos)
    print(f"fetch {address}: {fetched}")


if __name__ == "__main__":
    main()
