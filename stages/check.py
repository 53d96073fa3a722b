"""Check params.yaml, and nothing else: `python -m stages.check`."""

import argparse
import json
from pathlib import Path

from pipeline.files import write_atomically
from pipeline.layout import CHECKED
from stages.command import run


def main() -> None:
    argparse.ArgumentParser(
        prog="python -m stages.check",
        description="Read params.yaml and report every mistake in it: unknown keys, wrong types, values out "
        "of range, targets and presets that do not exist. `dvc repro` does this before any work.",
    ).parse_args()
    run("check", _check)


def _check() -> None:
    from pipeline import params

    loaded = params.load()
    print(f"params.yaml is valid: cameras {', '.join(loaded.cameras)}; targets {', '.join(loaded.targets)}")
    # The same bytes whatever the settings: stages wait for this file, and none reruns because of it.
    path = Path(CHECKED)
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, json.dumps({"params.yaml": "valid"}).encode() + b"\n")


if __name__ == "__main__":
    main()
