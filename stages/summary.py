"""Print all cameras' scores and baselines, their registered models, and the next commands."""

import argparse
import json

from pipeline.layout import MLFLOW_DATABASE, CameraPaths
from stages.command import parse, run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.summary",
        description="Print the scores of all cameras, compared with the untouched photo and the baselines,"
        " their registered models, and what to open next. Uses the results of `dvc repro`, changes nothing.",
    )
    parse(parser)
    run("summary", _summary)


def _summary() -> None:
    from pipeline import params
    from pipeline.report.text_summary import score_lines

    for name, camera in params.load().cameras.items():
        paths = CameraPaths(camera=name)
        print(f"\n{name} → {camera.target}")
        if not paths.intervals.exists() or not paths.registered.exists():
            print("  not trained yet: run `dvc repro`")
            continue
        print(*score_lines(json.loads(paths.intervals.read_bytes())), sep="\n")
        _print_model(paths, json.loads(paths.registered.read_bytes()))
    print("\nplots and scores of all cameras:  dvc plots show, dvc metrics show")
    print(f"runs and models:                  mlflow ui --backend-store-uri sqlite:///{MLFLOW_DATABASE}")


def _print_model(paths: CameraPaths, model: dict) -> None:
    aliases = " and ".join(model["aliases"]) or "no alias"
    best = "champion" if "champion" in model["aliases"] else model["aliases"][0] if model["aliases"] else None
    address = f"{model['name']}@{best}" if best else f"{model['name']}/{model['version']}"
    print(f"  model    {model['name']} version {model['version']}, {aliases}: {model['reason']}")
    if best != "champion":
        print(f"  why      python -m stages.register {paths.camera} --explain")
    print(f"  look at  {paths.page if paths.page.exists() else paths.pictures / 'before_after.png'}")
    print(f"  use      python -m stages.enhance --model models:/{address} IN OUT")


if __name__ == "__main__":
    main()
