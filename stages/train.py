"""Train one camera's model: `python -m stages.train CAMERA`."""

import argparse

from stages.command import parse, run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.train",
        description="Train the model of one camera on its patches and those of its target, with its preset. "
        "Uses all GPUs, or the CPU if there are none; WESPE_WORKERS sets the number of workers, RAY_ADDRESS "
        "the cluster. A killed run resumes from its last checkpoint when it is started again.",
    )
    parser.add_argument("camera", help="a name under `cameras` in params.yaml, such as demo-phone")
    arguments = parse(parser)
    run("train", lambda: _train(arguments.camera))


def _train(name: str) -> None:
    from dataclasses import asdict

    from pipeline import cluster, layout, params
    from pipeline.patches.shards import read_index
    from pipeline.training.driver import train_camera
    from pipeline.training.run import Run

    loaded = params.load()
    camera = loaded.camera(name)
    preset = loaded.presets[camera.preset]
    source = read_index(layout.photo_set(f"cameras.{name}").patches)
    target = read_index(layout.photo_set(f"targets.{camera.target}").patches)
    settings = Run(
        camera=name,
        target=camera.target,
        data={"source": source.digest, "target": target.digest},
        size_px=source.size_px,
        method=preset.method,
        learner=preset.learner,
        guard=preset.guard,
        training=preset.training,
        data_sets=tuple(map(asdict, loaded.data_sets(name))),
    )
    with cluster.session():
        train_camera(settings, source, target)


if __name__ == "__main__":
    main()
