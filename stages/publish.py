"""Publish a model for others: `python -m stages.publish my-phone zoo/ --licence CC-BY-4.0`."""

import argparse
from pathlib import Path
from typing import Any

from pipeline.errors import ZooError
from stages.command import parse, run

EXAMPLES = """examples:
  python -m stages.publish my-phone zoo/ --licence CC-BY-4.0
  python -m stages.publish my-phone s3://bucket/zoo/ --card my-phone.json --version 2
  python -m stages.publish models/my-phone zoo/ --licence CC0-1.0 --cube --onnx

The zoo gets my-phone/1/ with weights, config.json, card.json, CARD.md and manifest.json, and last of all
index.json. Any web server for files, or a public bucket, then serves it:

  wespe models add my-phone --zoo https://example.org/zoo

The card says what a model is for. Name, method, preset, scores and sets come from `dvc repro`, the cameras
from `routes` in params.yaml that use this camera, the version from the registry. The rest, or anything that
should read otherwise, comes from --card, a JSON file such as

  {"summary": "iPhone 3GS, made to look like a Canon 70D",
   "cameras": [{"make": "apple", "model": "iphone 3g*"}],
   "licence": "CC-BY-4.0", "limits": ["photos at night"], "citation": "doi:…"}

A model without a licence is refused, and so is a published version with other files: versions never change.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.publish",
        description="Publish a trained model, with a card, in a zoo: a folder or bucket from which anyone "
        "can take it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="CAMERA|FOLDER", help="a camera in params.yaml, or a model folder")
    parser.add_argument("zoo", metavar="DESTINATION", help="the zoo: a folder, or s3://bucket/prefix/")
    parser.add_argument("--licence", help="the licence of the weights, such as CC-BY-4.0")
    parser.add_argument(
        "--version", help="a number such as 2 or 1.0.3; default: the registry's, or 1 for a folder"
    )
    parser.add_argument("--card", type=Path, metavar="FILE", help="a JSON file with entries of the card")
    parser.add_argument("--cube", action="store_true", help="add the colours as model.cube")
    parser.add_argument("--onnx", action="store_true", help="add the whole model as model.onnx")
    arguments = parse(parser)
    run("publish", lambda: _publish(arguments))


def _publish(arguments: argparse.Namespace) -> None:
    from pipeline.enhancement.stores import open_store
    from pipeline.models.package import PACKAGE_MANIFEST, read_manifest
    from pipeline.zoo.packaging import package
    from pipeline.zoo.publishing import publish

    store = open_store(arguments.zoo)
    folder, facts = _source(arguments.model)
    facts |= _written(arguments.card)
    facts |= {key: value for key in ("licence", "version") if (value := getattr(arguments, key))}
    files = package(folder, facts, cube=arguments.cube, onnx=arguments.onnx)
    manifest = read_manifest(files[PACKAGE_MANIFEST], PACKAGE_MANIFEST)
    done = "published" if publish(files, store) else "was published before"
    where = f"{store.address.rstrip('/')}/{manifest.name}/{manifest.version}"
    print(f"publish: {where}: {done}, {len(files)} files, {manifest.bytes / 1e3:,.0f} kB")


def _source(model: str) -> tuple[Path, dict[str, Any]]:
    """Return the model's folder, and the facts of its camera if params.yaml has it."""
    from pipeline.layout import CONFIG, CameraPaths

    if (Path(model) / CONFIG).is_file():
        return Path(model), {}
    from pipeline import params
    from pipeline.models.card import CameraPattern
    from pipeline.zoo.packaging import camera_facts

    settings = params.load()
    preset = settings.camera(model).preset
    patterns = [CameraPattern(make=one.make, model=one.model) for one in settings.routes if one.use == model]
    return CameraPaths(camera=model).model, camera_facts(model, preset, patterns)


def _written(card: Path | None) -> dict[str, Any]:
    from pipeline.models.card import json_object

    if card is None:
        return {}
    try:
        return json_object(card.read_bytes(), str(card))
    except OSError as error:
        raise ZooError(f"{card}: {error.strerror}; --card names a JSON file") from None


if __name__ == "__main__":
    main()
