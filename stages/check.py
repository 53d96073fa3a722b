"""Validate params.yaml: `python -m stages.check`."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.files import write_atomically
from pipeline.layout import CHECKED, leftovers
from stages.command import parse, run

if TYPE_CHECKING:
    from pipeline.params import Params


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.check",
        description="Read params.yaml and report all errors: unknown keys, wrong types, values out of range, "
        "targets and presets that do not exist. With WESPE_STORE, try whether it can be written to. "
        "`dvc repro` runs this before all other stages.",
    )
    parse(parser)
    run("check", _check)


def _check() -> None:
    from pipeline import params, store

    store.check()
    loaded = params.load()
    print(f"params.yaml is valid: cameras {', '.join(loaded.cameras)}; targets {', '.join(loaded.targets)}")
    _show_licences(loaded)
    if left := leftovers(loaded.cameras, loaded.targets):
        print(
            f"no longer in params.yaml, but still on disk: {', '.join(map(str, left))}; delete what you"
            " do not need, then run `python -m stages.report CAMERA` to update the index. Versions of removed"
            " cameras remain in MLflow.",
            file=sys.stderr,
        )
    # The content never changes: stages depend on this file, but must not rerun because of it.
    path = Path(CHECKED)
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, json.dumps({"params.yaml": "valid"}).encode() + b"\n")


def _show_licences(loaded: "Params") -> None:
    """Name the cameras whose models must not be sold, or may not be, because of a public data set."""
    from pipeline.models.data_sets import commercial_use

    uses = {name: {"data_sets": list(map(asdict, loaded.data_sets(name)))} for name in loaded.cameras}
    answers = {name: commercial_use(use) for name, use in uses.items()}
    if shown := [f"{name}: {use}" for name, use in answers.items() if use and not use.startswith("yes")]:
        print(
            f"commercial use, by the data sets' licences: {'; '.join(shown)}. `wespe datasets NAME` shows"
            " one; `licences: {commercial_use: required}` in params.yaml refuses such data sets.",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
