"""Score a camera's model on its test photos: `python -m stages.evaluate demo-phone`."""

import argparse

from pipeline.layout import CameraPaths
from stages.command import run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.evaluate",
        description="Score a camera's model on photos it has never seen, beside the untouched photo and a"
        " histogram match and auto-enhance, and draw them before and after. Writes reports/CAMERA.",
        epilog="`dvc repro` runs this for every model that has changed. `dvc metrics show` prints the scores"
        " of all cameras, `python -m stages.summary` prints them with their intervals.",
    )
    parser.add_argument("camera", metavar="CAMERA", help="a camera in params.yaml, such as demo-phone")
    camera = parser.parse_args().camera
    run("evaluate", lambda: _evaluate(camera))


def _evaluate(camera: str) -> None:
    from pipeline import params
    from pipeline.evaluation.evaluation import evaluate_camera

    loaded = params.load()
    summary = evaluate_camera(camera, loaded.camera(camera).target, loaded.judges)
    judge = "psnr" if "psnr" in summary["enhanced"] else "colour_distance"
    scores = ", ".join(f"{variant} {summary[variant][judge]['mean']:.2f}" for variant in summary)
    print(f"evaluate {camera}: {judge} {scores} → {CameraPaths(camera=camera).report}")


if __name__ == "__main__":
    main()
