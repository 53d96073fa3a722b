"""One camera's report: everything that evaluation, training and the registry wrote, on one page."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.evaluation.scores import read_scores
from pipeline.files import write_atomically
from pipeline.layout import CONFIG, CameraPaths
from pipeline.report import colour_charts
from pipeline.report.charts import Chart, line_chart
from pipeline.report.glossary import VARIANT_NAMES
from pipeline.report.ingredients import ingredients
from pipeline.report.judgement import Gain, Judgement, judge
from pipeline.report.pictures import Embedded, Picture, Strip, embed, read_pictures, strips, thumbnail
from pipeline.report.rendering import number, render
from pipeline.report.score_table import score_table

PYTHON = """import mlflow

model = mlflow.pyfunc.load_model("{address}")
enhanced = model.predict(photo)  # uint8 (h, w, 3), sRGB"""
PYTHON_FOLDER = """from pathlib import Path

from pipeline.models.model_folder import load_model

model = load_model(Path("{address}"))
enhanced = model.enhance(photo)  # uint8 (h, w, 3), sRGB"""
SPEEDS = ("images_per_s", "data_wait")  # last: of the machine, not of the model
IN_CONFIG_BUT_NO_SETTING = ("weights_sha256", "camera", "target", "format")


def write_camera_page(camera: str) -> int:
    """Write reports/CAMERA/report.html; return its size in bytes. Raises PipelineError."""
    paths = CameraPaths(camera=camera)
    judgement = judge(read_scores(paths.scores))
    shown = strips(read_pictures(CameraPaths(camera=camera).shown))
    config = read_json(paths.model / CONFIG, {})
    page = render(
        "camera.html",
        camera=camera,
        target=config.get("target", ""),
        judgement=judgement,
        gains=_tracks(judgement),
        table=score_table(read_json(paths.intervals)),
        losses=_losses(read_json(paths.losses, [])),
        steps=config.get("step", "Unknown"),
        sets=_sets(camera, config.get("target", "")),
        **_photos(shown),
        **colour_charts.draw([p for strip in shown for p in strip.pictures], config.get("target", "")),
        **_model(paths, config),
    )
    write_atomically(CameraPaths(camera=camera).page, page)
    return len(page)


def read_json(path: Path, default: Any = None) -> Any:
    """Read a JSON file; `default` is for one that may be missing. Raises PipelineError."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        if default is not None:
            return default
        raise PipelineError(f"{path} is missing; `dvc repro` makes it") from None
    except ValueError:
        raise PipelineError(f"{path} is damaged; make it again with `dvc repro`") from None


def _tracks(judgement: Judgement) -> list[dict[str, Any]]:
    """Where each gain lies on one scale from 0 to 100 % that holds zero."""
    ends = [0.0, *(end for gain in judgement.gains for end in (gain.low, gain.high))]
    low, high = min(ends), max(ends)
    margin = 0.06 * (high - low) or 1.0
    low, high = low - margin, high + margin

    def at(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    return [
        {
            "name": VARIANT_NAMES[gain.yardstick].lower(),
            "kind": {1: "better", -1: "worse"}.get(gain.sign, "unclear"),
            "text": f"{number(gain.mean, 2, True)} {judgement.unit}",
            "interval": _interval(gain),
            "zero": at(0),
            "low": at(gain.low),
            "high": at(gain.high),
            "mean": at(gain.mean),
        }
        for gain in judgement.gains
    ]


def _interval(gain: Gain) -> str:
    if gain.low == gain.high:
        return ""
    return f"{number(gain.low, 2, True)} … {number(gain.high, 2, True)}"


def _photos(shown: list[Strip]) -> dict[str, Any]:
    """Photos for the viewer, in the order of their thumbnails, and the data URIs of all their variants."""
    pictures = [picture for strip in shown for picture in strip.pictures]
    photos, embedded = [], []
    for position, picture in enumerate(pictures):
        for variant, path in picture.files.items():
            shot = embed(path, (picture.width, picture.height))
            embedded.append((position, variant, shot.uri))
        photos.append(_photo(picture, shot))
    left_sides = [v for v in VARIANT_NAMES if v != "enhanced" and any(v in p.files for p in pictures)]
    return {
        "photos": photos,
        "embedded": embedded,
        "left_sides": left_sides,
        "variant_names": VARIANT_NAMES,
        "strips": [_strip(strip) for strip in shown],
        "has_truth": "truth" in left_sides,
    }


def _photo(picture: Picture, shot: Embedded) -> dict[str, Any]:
    """What the viewer's script knows of a photo; width and height are those of what is embedded."""
    psnrs = {variant: scores["psnr"] for variant, scores in picture.scores.items() if "psnr" in scores}
    size = f"{picture.width} × {picture.height} px, {shot.shown}"
    gain = "" if picture.gain is None else f" · PSNR gained {number(picture.gain, 2, True)} dB"
    return {
        "name": picture.name,
        "width": shot.width,
        "height": shot.height,
        "variants": list(picture.files),
        "psnr": {variant: f"{number(value)} dB" for variant, value in psnrs.items()},
        "facts": size + gain,
    }


def _strip(strip: Strip) -> dict[str, Any]:
    thumbnails = [
        {
            "uri": thumbnail(picture.files["enhanced"]),
            "name": picture.name,
            "gain": None if picture.gain is None else number(picture.gain, 2, True),
        }
        for picture in strip.pictures
    ]
    ranked = any(thumb["gain"] for thumb in thumbnails)
    return {"title": strip.title, "thumbnails": thumbnails, "ranked": ranked}


def _losses(records: list[dict[str, Any]]) -> list[Chart]:
    """One chart per record of the training that is a number."""
    noted = dict.fromkeys(name for record in records for name in record)
    names = sorted(noted, key=lambda name: name in SPEEDS)
    charts = []
    for name in names:
        points = [(r["step"], r[name]) for r in records if isinstance(r.get(name), int | float)]
        if name not in ("step", "rolled_back") and points:
            steps, values = zip(*points, strict=True)
            charts.append(line_chart(name.replace("_", " "), {name.replace("_", " "): (steps, values)}))
    return charts


def _sets(camera: str, target: str) -> list[Any]:
    found = [ingredients(f"cameras.{camera}", "the camera’s photos")]
    if target:
        found.append(ingredients(f"targets.{target}", "what they shall look like"))
    return [entry for entry in found if entry]


def _model(paths: CameraPaths, config: Mapping[str, Any]) -> dict[str, Any]:
    registered = read_json(paths.registered, {})
    address = _address(registered) if registered else str(paths.model)
    settings = {key: value for key, value in config.items() if key not in IN_CONFIG_BUT_NO_SETTING}
    return {
        "registered": registered,
        "address": address,
        "python": (PYTHON if registered else PYTHON_FOLDER).format(address=address),
        "method": config.get("method", {}).get("name", "–"),
        "sha256": config.get("weights_sha256", ""),
        "settings": _flat(settings),
    }


def _address(registered: Mapping[str, Any]) -> str:
    aliases = registered["aliases"]
    best = "champion" if "champion" in aliases else next(iter(aliases), None)
    return f"models:/{registered['name']}" + (f"@{best}" if best else f"/{registered['version']}")


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
