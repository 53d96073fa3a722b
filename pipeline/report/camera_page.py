"""One camera's report: the results of evaluation, training and the registry on one page."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.evaluation.gains import Gain
from pipeline.evaluation.scores import read_left_out, read_scores
from pipeline.evaluation.variants import VARIANT_NAMES
from pipeline.files import write_atomically
from pipeline.layout import CONFIG, CameraPaths
from pipeline.models.data_sets import DATA_SETS, commercial_use, data_sets
from pipeline.report import colour_charts
from pipeline.report.charts import Chart, line_chart
from pipeline.report.conclusion import Conclusion, conclude
from pipeline.report.ingredients import ingredients
from pipeline.report.pictures import EmbeddedPicture, Picture, Strip, embed, read_pictures, strips, thumbnail
from pipeline.report.rendering import interval_text, number, render
from pipeline.report.score_table import score_table
from wespe.metrics.interval import MIN_VALUES
from wespe.metrics.table import METRICS

PYTHON = """import mlflow

model = mlflow.pyfunc.load_model("{address}")
enhanced = model.predict(photo)  # uint8 (h, w, 3), sRGB"""
PYTHON_FOLDER = """from pathlib import Path

from pipeline.models.model_folder import load_model

model = load_model(Path("{address}"))
enhanced = model.enhance(photo)  # uint8 (h, w, 3), sRGB"""
SPEEDS = ("images_per_s", "data_wait")  # shown last: they describe the machine, not the model
CONFIG_FACTS = ("weights_sha256", "camera", "target", "format", DATA_SETS)


def write_camera_page(camera: str) -> int:
    """Write reports/CAMERA/report.html; return its size in bytes. Raises PipelineError."""
    paths = CameraPaths(camera=camera)
    conclusion = conclude(read_scores(paths.scores))
    shown = strips(read_pictures(CameraPaths(camera=camera).shown))
    config = read_json(paths.model / CONFIG, {})
    page = render(
        "camera.html",
        camera=camera,
        target=config.get("target", ""),
        conclusion=conclusion,
        gains=_tracks(conclusion),
        table=score_table(read_json(paths.intervals)),
        min_photos=MIN_VALUES,
        left_out=_left_out(read_left_out(paths.scores)),
        losses=_losses(read_json(paths.losses, [])),
        steps=config.get("step", "Unknown"),
        sets=_sets(camera, config.get("target", "")),
        data_sets=data_sets(config),
        commercial_use=commercial_use(config),
        **_photos(shown),
        **colour_charts.draw([p for strip in shown for p in strip.pictures], config.get("target", "")),
        **_model(paths, config),
    )
    write_atomically(CameraPaths(camera=camera).page, page)
    return len(page)


def read_json(path: Path, default: Any = None) -> Any:
    """Read a JSON file; return `default`, if given, for a missing file. Raises PipelineError."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        if default is not None:
            return default
        raise PipelineError(f"{path} is missing; run `dvc repro`") from None
    except ValueError:
        raise PipelineError(f"{path} is damaged; restore it with `dvc repro`") from None


def _left_out(reasons: Mapping[str, str]) -> dict[str, str]:
    return {METRICS[name].label if name in METRICS else name: reason for name, reason in reasons.items()}


def _tracks(conclusion: Conclusion) -> list[dict[str, Any]]:
    """Return the position of each gain on a common scale, 0–100 %, that includes zero."""
    ends = [0.0, *(end for gain in conclusion.gains.values() for end in _ends(gain))]
    low, high = min(ends), max(ends)
    margin = 0.06 * (high - low) or 1.0
    low, high = low - margin, high + margin

    def at(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    digits = METRICS[conclusion.metric].digits
    return [
        {
            "name": VARIANT_NAMES[yardstick].lower(),
            "kind": gain.answer if gain.answer in ("better", "worse") else "unclear",
            "text": f"{number(gain.interval['mean'], digits, True)} {conclusion.unit}",
            "interval": interval_text(gain.interval, digits, signed=True),
            "zero": at(0),
            "low": at(_ends(gain)[0]),
            "high": at(_ends(gain)[1]),
            "mean": at(gain.interval["mean"]),
        }
        for yardstick, gain in conclusion.gains.items()
    ]


def _ends(gain: Gain) -> tuple[float, float]:
    """Return the ends of a gain's interval, or the gain itself if there is none."""
    low, high, mean = gain.interval["low"], gain.interval["high"], gain.interval["mean"]
    return mean if low is None else low, mean if high is None else high


def _photos(shown: list[Strip]) -> dict[str, Any]:
    """Return photos for the viewer, in the order of their thumbnails, and data URIs of all variants."""
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


def _photo(picture: Picture, shot: EmbeddedPicture) -> dict[str, Any]:
    """Return a photo's data for the viewer's script; width and height are of the embedded picture."""
    psnrs = {variant: scores["psnr"] for variant, scores in picture.scores.items() if "psnr" in scores}
    size = f"{picture.width} × {picture.height} px, {shot.shown}"
    gain = "" if picture.gain is None else f" · PSNR gain {number(picture.gain, 2, True)} dB"
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
    """Draw one chart for each recorded value of the training."""
    recorded = dict.fromkeys(name for record in records for name in record)
    names = sorted(recorded, key=lambda name: name in SPEEDS)
    charts = []
    for name in names:
        points = [(r["step"], r[name]) for r in records if isinstance(r.get(name), int | float)]
        if name not in ("step", "rolled_back") and points:
            steps, values = zip(*points, strict=True)
            charts.append(line_chart(name.replace("_", " "), {name.replace("_", " "): (steps, values)}))
    return charts


def _sets(camera: str, target: str) -> list[Any]:
    found = [ingredients(f"cameras.{camera}", "photos of the camera")]
    if target:
        found.append(ingredients(f"targets.{target}", "photos of the target"))
    return [entry for entry in found if entry]


def _model(paths: CameraPaths, config: Mapping[str, Any]) -> dict[str, Any]:
    registered = read_json(paths.registered, {})
    address = _address(registered) if registered else str(paths.model)
    settings = {key: value for key, value in config.items() if key not in CONFIG_FACTS}
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
