"""Score a camera's model on its test photos: `python -m stages.evaluate demo-phone`."""

import argparse

from pipeline.layout import CameraPaths
from stages.command import parse, run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.evaluate",
        description="Score a camera's model on held-out photos, compared with the untouched photo, a"
        " histogram match and auto-enhance, and draw the photos before and after. Writes reports/CAMERA.",
        epilog="`dvc repro` runs this for every model that has changed. `dvc metrics show` prints the scores"
        " of all cameras, `python -m stages.summary` prints them with their intervals.",
    )
    parser.add_argument("camera", metavar="CAMERA", help="a camera in params.yaml, such as demo-phone")
    camera = parse(parser).camera
    run("evaluate", lambda: _evaluate(camera))


def _evaluate(camera: str) -> None:
    from pipeline import params
    from pipeline.evaluation.evaluation import evaluate_camera
    from pipeline.evaluation.gains import TARGET_DECIDES, TRUTH_DECIDES
    from pipeline.evaluation.variants import VARIANT_NAMES, VARIANTS
    from wespe.metrics.table import METRICS

    loaded = params.load()
    summary = evaluate_camera(camera, loaded.camera(camera).target, loaded.learned_scores)
    name = TRUTH_DECIDES if TRUTH_DECIDES in summary["enhanced"] else TARGET_DECIDES
    metric = METRICS[name]
    means = ", ".join(
        f"{VARIANT_NAMES[variant].lower()} {summary[variant][name]['mean']:.{metric.digits}f}"
        for variant in VARIANTS
    )
    print(f"evaluate {camera}: {metric.title}: {means} → {CameraPaths(camera=camera).report}")


if __name__ == "__main__":
    main()
