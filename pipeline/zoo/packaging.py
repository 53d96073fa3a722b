"""Makes a model package: weights, config and card of a trained camera or a model folder, and a manifest."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.errors import CheckpointError, ZooError
from pipeline.evaluation.scores import Summary
from pipeline.layout import CONFIG, WEIGHTS, CameraPaths
from pipeline.models.card import CARD, UNSTATED, CameraPattern, Card, card_of, json_object
from pipeline.models.cube import export_cube
from pipeline.models.model_folder import load_model
from pipeline.models.onnx_model import export_model
from pipeline.models.package import CARD_PAGE, CUBE, MOST_BYTES, ONNX, PACKAGE_MANIFEST, manifest_of
from pipeline.zoo.card_page import card_page
from wespe.metrics.table import METRICS

DIGITS = 4


def camera_facts(camera: str, preset: str, patterns: Sequence[CameraPattern]) -> dict[str, Any]:
    """Return what a trained camera adds to its card: name, preset, cameras, scores, verdict, version.

    Raises ZooError unless the scores are those of its present weights.
    """
    paths = CameraPaths(camera=camera)
    try:
        config, registered, scores = (
            json.loads(path.read_bytes())
            for path in (paths.model / CONFIG, paths.registered, paths.intervals)
        )
        if config["weights_sha256"] != registered["sha256"]:
            raise ValueError("the registered model is another")
        version, verdict = str(registered["version"]), str(registered["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ZooError(
            f"camera {camera}: its model is not yet trained, evaluated and registered; run `dvc repro`, or "
            f"publish the folder {paths.model}, which has no scores"
        ) from None
    facts = {"name": camera, "preset": preset, "version": version, "verdict": verdict}
    cameras = [{"make": one.make, "model": one.model} for one in patterns]
    return {**facts, "cameras": cameras, "scores": _rounded(scores)}


def package(
    folder: Path, facts: Mapping[str, Any], *, cube: bool = False, onnx: bool = False
) -> dict[str, bytes]:
    """Return name → content of all files of a package, manifest.json last.

    facts: entries of the card; they replace those of a card.json in the folder, which replace those that
        config.json tells.
    cube, onnx: add the model's colours as model.cube, or the whole model as model.onnx.
    Raises CheckpointError if the model cannot be loaded; ZooError if the card is invalid or has no licence.
    """
    model = load_model(folder)
    card = _card(folder, model.config, facts)
    config = {**model.config, "name": card.name}  # results of wespe name the model by it
    files = {CONFIG: json.dumps(config, indent=2).encode() + b"\n", WEIGHTS: (folder / WEIGHTS).read_bytes()}
    files |= _exports(folder, cube=cube, onnx=onnx)
    files |= {CARD: card.json(), CARD_PAGE: card_page(card).encode()}
    for file, data in files.items():
        if len(data) > MOST_BYTES[file]:
            raise ZooError(f"{folder}: {file} is larger than {MOST_BYTES[file] >> 20} MB, which no zoo takes")
    return {**files, PACKAGE_MANIFEST: manifest_of(card.name, card.version, files)}


def _card(folder: Path, config: Mapping[str, Any], facts: Mapping[str, Any]) -> Card:
    where, written = f"the card of {folder}", folder / CARD
    try:
        own = json_object(written.read_bytes(), str(written)) if written.exists() else {}
        content = {**_config_facts(folder, config), **own, **facts}
        card = card_of(json.dumps(content).encode(), where)
        card.require_licence(where)
    except CheckpointError as error:
        raise ZooError(f"{error}; correct it with --card FILE, --licence or --version") from None
    return card


def _config_facts(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": folder.resolve().name,
        "version": "1",
        "method": config["method"]["name"],
        "sets": _sets(config),
    }


def _sets(config: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the public data sets that config.json names; photos of one's own have no stated licence."""
    listed = config.get("data_sets")
    public = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    found = [
        {
            "role": str(one.get("role", UNSTATED)),
            "name": " ".join(str(one[key]) for key in ("name", "part") if one.get(key)) or UNSTATED,
            "licence": str(one.get("licence") or UNSTATED),
            "commercial_use": str(one.get("commercial_use") or UNSTATED),
        }
        for one in public
    ]
    roles = {one["role"] for one in found}
    own = {"photos": config.get("camera"), "target": config.get("target")}
    return found + [
        {"role": role, "name": str(name)} for role, name in own.items() if name and role not in roles
    ]


def _exports(folder: Path, *, cube: bool, onnx: bool) -> dict[str, bytes]:
    files = {}
    with TemporaryDirectory(prefix="wespe-") as place:
        if cube:
            export_cube(load_model(folder), Path(place, CUBE))
            files[CUBE] = Path(place, CUBE).read_bytes()
        if onnx:
            export_model(load_model(folder), Path(place, ONNX))
            files[ONNX] = Path(place, ONNX).read_bytes()
    return files


def _rounded(summary: Summary) -> dict[str, Any]:
    """Keep the scores that tell better from worse."""
    return {
        variant: {
            metric: {
                key: round(value, DIGITS) if isinstance(value, float) else value
                for key, value in cell.items()
            }
            for metric, cell in row.items()
            if metric in METRICS and METRICS[metric].better
        }
        for variant, row in summary.items()
    }
