"""Fetch the content network's weights for a camera's training: `python -m stages.features CAMERA`."""

import argparse

from stages.command import parse, run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.features",
        description="Fetch the weights of the content loss's frozen network, as set by method.content in the"
        " camera's preset: torchvision's (imagenet), those of a .safetensors file or URL, or none if they are"
        " random. Writes data/cameras/NAME/features.safetensors, so that training downloads nothing, and"
        " method.json with a digest of the code that the method imports.",
        epilog="Interrupted downloads are resumed, and shared by all cameras: torchvision's weights are in"
        " TORCH_HOME, those of a URL in data/.downloads/features. `dvc repro` runs this for every camera"
        " whenever code in wespe/ has changed; a camera is only retrained if its method's code has changed.",
    )
    parser.add_argument("camera", metavar="CAMERA", help="a camera in params.yaml, such as demo-phone")
    camera = parse(parser).camera
    run("features", lambda: _features(camera))


def _features(name: str) -> None:
    from pipeline import layout, params
    from pipeline.training.content_weights import fetch_features, write_method

    loaded = params.load()
    method = loaded.presets[loaded.camera(name).preset].method
    address = f"cameras.{name}"
    folder = layout.photo_set(address).root
    weights = fetch_features(address, getattr(method, "content", None), folder)
    write_method(method.name, folder)
    print(f"features {name}: {weights}")


if __name__ == "__main__":
    main()
