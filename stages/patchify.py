"""Cut a camera's or a target's photos into patches: `python -m stages.patchify cameras.NAME`."""

import argparse

from stages.command import run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.patchify",
        description="Cut the photos that `fetch` brought into square patches, in Parquet shards under "
        "data/…/NAME/patches. Sizes and counts come from the block's `patches` in params.yaml.",
    )
    parser.add_argument(
        "address", help="the block in params.yaml, such as cameras.demo-phone or targets.demo-photos"
    )
    arguments = parser.parse_args()
    run("patchify", lambda: _patchify(arguments.address))


def _patchify(address: str) -> None:
    from pipeline import cluster, params
    from pipeline.patches.patchify import patchify

    patches = params.load().photo_set(address).patches
    with cluster.session():
        patchify(address, patches)


if __name__ == "__main__":
    main()
