"""Register a camera's model in MLflow: `python -m stages.register demo-phone`."""

import argparse

from pipeline import params
from pipeline.registry import register_camera
from stages.command import run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.register",
        description="Log a trained camera's run in MLflow and register its model as wespe-CAMERA. The new"
        " version gets the alias challenger, and champion if there is none or if it beats it on the same"
        " test photos.",
        epilog="MLFLOW_TRACKING_URI names the server; without it, mlflow.db and mlartifacts/ in this folder"
        " serve. The same weights again make no new version. `dvc repro` runs this for every changed model.",
    )
    parser.add_argument("camera", metavar="CAMERA", help="a camera in params.yaml, such as demo-phone")
    camera = parser.parse_args().camera
    run("register", lambda: _register(camera))


def _register(camera: str) -> None:
    params.load().camera(camera)
    registration = register_camera(camera)
    state = "is" if registration.new else "was already"
    aliases = ", ".join(registration.aliases) or "no alias"
    print(
        f"register {camera}: {state} {registration.name} version {registration.version} ({aliases}); "
        f"{registration.reason}"
    )


if __name__ == "__main__":
    main()
