"""Fetch what a camera's training needs besides patches: `python -m stages.features CAMERA`."""

import argparse

from stages.command import run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.features",
        description="Fetch the weights of the frozen network that compares content, which the camera's preset"
        " names in method.content: torchvision's (imagenet), those of a .safetensors file or URL, or none if"
        " they are random. They become data/cameras/NAME/features.safetensors, so that training downloads"
        " nothing. method.json beside it has the digest of the code that the method imports.",
        epilog="An interrupted download is resumed, and serves all cameras: torchvision's is kept in"
        " TORCH_HOME, a URL's in data/.downloads/features. `dvc repro` runs this for every camera whenever"
        " code in wespe/ has changed; a camera is trained again only if its own method's code has.",
    )
    parser.add_argument("camera", metavar="CAMERA", help="a camera in params.yaml, such as demo-phone")
    camera = parser.parse_args().camera
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
