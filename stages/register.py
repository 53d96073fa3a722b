"""Register a camera's model in MLflow: `python -m stages.register demo-phone`."""

import argparse
from typing import TYPE_CHECKING

from stages.command import parse, run

if TYPE_CHECKING:
    from pipeline.registry.verdict import Verdict


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.register",
        description="Log a trained camera's run in MLflow and register its model as wespe-CAMERA. The new"
        " version gets the alias challenger, and champion if it passes every gate (`gates` in params.yaml):"
        " it must beat the champion and the baselines on the same test photos, and pass its self checks.",
        epilog="MLFLOW_TRACKING_URI names the server; without it, mlflow.db and mlartifacts/ in this folder"
        " are used. Registering the same weights again creates no new version, but updates the verdict if"
        " scores or gates have changed. `dvc repro` runs this for every changed model.",
    )
    parser.add_argument("camera", metavar="CAMERA", help="a camera in params.yaml, such as demo-phone")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--explain", action="store_true", help="print every gate without changing anything")
    instead.add_argument("--roll-back", action="store_true", help="make the previous champion champion again")
    arguments = parse(parser)
    work = _explain if arguments.explain else _roll_back if arguments.roll_back else _register
    run("register", lambda: work(arguments.camera))


def _register(camera: str) -> None:
    from pipeline import params
    from pipeline.registry.registry import register_camera

    registration = register_camera(camera, params.load().camera(camera).gates)
    state = "created" if registration.new else "already registered as"
    aliases = ", ".join(registration.aliases) or "no alias"
    print(
        f"register {camera}: {state} {registration.name} version {registration.version} ({aliases}); "
        f"{registration.reason}"
    )


def _explain(camera: str) -> None:
    from pipeline import params
    from pipeline.registry.registry import explain_camera

    verdict = explain_camera(camera, params.load().camera(camera).gates)
    print(_table(verdict))
    print(f"\n{camera}: {'champion' if verdict.promote else 'challenger'}; {verdict.reason}")


def _table(verdict: "Verdict") -> str:
    rows = [("gate", "threshold", "measured", "")]
    rows += [(gate.name, gate.threshold, gate.measured, gate.outcome) for gate in verdict.gates]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("   ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def _roll_back(camera: str) -> None:
    from pipeline import params
    from pipeline.registry.registry import roll_back

    params.load().camera(camera)
    done = roll_back(camera)
    replaced = f"in place of version {done.replaced}" if done.replaced else "after one that was deleted"
    print(f"register {camera}: version {done.champion} of {done.name} is champion again, {replaced}")


if __name__ == "__main__":
    main()
