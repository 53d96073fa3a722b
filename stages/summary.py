"""Print every camera's scores beside the yardsticks, its registered model, and what to do next."""

import argparse
import json

from pipeline import params
from pipeline.evaluation.gains import answer, interval_text
from pipeline.evaluation.scores import CHANGE, Summary
from pipeline.evaluation.variants import VARIANT_NAMES, VARIANTS
from pipeline.layout import MLFLOW_DATABASE, CameraPaths
from stages.command import run
from wespe.metrics.interval import Interval
from wespe.metrics.table import METRICS, Metric

LABEL_WIDTH = 36
ARROWS = {"higher": "↑", "lower": "↓", "": ""}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.summary",
        description="Print the scores of every camera beside the untouched photo and the yardsticks, the"
        " registered model, and what to open next. Reads what `dvc repro` wrote and changes nothing.",
    )
    parser.parse_args()
    run("summary", _summary)


def _summary() -> None:
    for name, camera in params.load().cameras.items():
        paths = CameraPaths(camera=name)
        print(f"\n{name} → {camera.target}")
        if not paths.intervals.exists() or not paths.registered.exists():
            print("  not trained yet: run `dvc repro`")
            continue
        _print_scores(json.loads(paths.intervals.read_bytes()))
        _print_model(paths, json.loads(paths.registered.read_bytes()))
    print("\nplots and scores of all cameras:  dvc plots show, dvc metrics show")
    print(f"runs and models:                  mlflow ui --backend-store-uri sqlite:///{MLFLOW_DATABASE}")


def _print_scores(summary: Summary) -> None:
    """Print every score that the enhanced photos have, in the order of METRICS."""
    titles = "".join(f"{VARIANT_NAMES[variant].lower():>17}" for variant in VARIANTS)
    print(f"  {'':{LABEL_WIDTH}}{titles}   change [95 % interval]")
    for name, metric in METRICS.items():
        if name in summary["enhanced"]:
            cells = "".join(_cell(summary[variant].get(name), metric) for variant in VARIANTS)
            change = _change(name, metric, summary[CHANGE].get(name))
            print(f"  {_label(metric):{LABEL_WIDTH}}{cells}{change}".rstrip())


def _label(metric: Metric) -> str:
    return f"{metric.title} {ARROWS[metric.better]}".rstrip()


def _cell(interval: Interval | None, metric: Metric) -> str:
    return f"{'–':>17}" if interval is None else f"{interval['mean']:17.{metric.digits}f}"


def _change(name: str, metric: Metric, interval: Interval | None) -> str:
    if interval is None:
        return ""
    mean, said = f"{interval['mean']:+.{metric.digits}f}", answer(name, interval)
    ends = "" if metric.of_set else f" {interval_text(interval, metric.digits, '+')}"
    return f"   {mean}{ends}" + (f" {said}" if said in ("better", "worse") else "")


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
