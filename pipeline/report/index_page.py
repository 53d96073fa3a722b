"""Writes the index of all cameras that have a report."""

import os
from collections.abc import Iterable
from typing import Any

from pipeline import layout
from pipeline.evaluation.scores import read_scores
from pipeline.evaluation.variants import VARIANT_NAMES, VARIANTS
from pipeline.files import write_atomically
from pipeline.layout import CONFIG, CameraPaths
from pipeline.report.camera_page import read_json
from pipeline.report.conclusion import conclude
from pipeline.report.pictures import Picture, read_pictures, thumbnail
from pipeline.report.rendering import interval_text, number, render
from wespe.metrics.table import METRICS

SIDE_PX = 300


def write_index_page(cameras: Iterable[str]) -> int:
    """Write reports/index.html of the cameras with a report; return their number. Raises PipelineError."""
    cards = [_card(camera) for camera in layout.reported_cameras(cameras)]
    layout.REPORTS.mkdir(exist_ok=True)
    write_atomically(layout.INDEX_PAGE, render("index.html", cards=cards))
    return len(cards)


def _card(camera: str) -> dict[str, Any]:
    paths = CameraPaths(camera=camera)
    conclusion, summary = conclude(read_scores(paths.scores)), read_json(paths.intervals)
    name, metric = conclusion.metric, METRICS[conclusion.metric]
    gain = conclusion.gains.get("untouched")
    return {
        "camera": camera,
        "target": read_json(paths.model / CONFIG, {}).get("target", ""),
        "address": os.path.relpath(CameraPaths(camera=camera).page, layout.REPORTS),
        "pictures": _pair(read_pictures(CameraPaths(camera=camera).shown)),
        "headline": conclusion.headline,
        "photos": conclusion.photos,
        "gain": f"{number(gain.interval['mean'], metric.digits, True)} {metric.unit}" if gain else "–",
        "interval": interval_text(gain.interval, metric.digits, True) if gain else "",
        "answer": gain.answer if gain else "unclear",
        "metric": f"{metric.label} {'↑' if metric.better == 'higher' else '↓'}",
        "scores": [
            (VARIANT_NAMES[variant], number(summary[variant][name]["mean"], metric.digits))
            for variant in VARIANTS
            if name in summary.get(variant, {})
        ],
        "version": read_json(paths.registered, {}),
    }


def _pair(pictures: list[Picture]) -> list[str]:
    """Return thumbnails before and after of the photo with the median gain."""
    if not pictures:
        return []
    ranked = sorted(pictures, key=lambda picture: picture.gain or 0)
    files = ranked[len(ranked) // 2].files
    return [thumbnail(files[variant], SIDE_PX) for variant in ("untouched", "enhanced")]
