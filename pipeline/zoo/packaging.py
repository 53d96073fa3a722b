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
    """Return what a trained camera adds to its card: name, preset, cameras, scores, version."""
    paths = CameraPaths(camera=camera)
    facts: dict[str, Any] = {"name": camera, "preset": preset}
    if patterns:
        facts["cameras"] = [{"make": one.make, "model": one.model} for one in patterns]
    if paths.intervals.exists():
        facts["scores"] = _rounded(json.loads(paths.intervals.read_bytes()))
    if paths.registered.exists():
        facts["version"] = str(json.loads(paths.registered.read_bytes())["version"])
    return facts


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
    """Return the sets of photos that config.json names; what it does not say about them is unstated."""
    said = config.get("sets")
    said = said if isinstance(said, Mapping) else {}
    return [
        {"role": role, "name": str(config[role]), **_licence(said.get(role))}
        for role in ("camera", "target")
        if config.get(role)
    ]


def _licence(said: Any) -> dict[str, str]:
    said = said if isinstance(said, Mapping) else {}
    allowed = {True: "yes", False: "no"}.get(said.get("commercial_use"), UNSTATED)  # type: ignore[arg-type]
    return {"licence": str(said.get("licence") or UNSTATED), "commercial_use": allowed}


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
