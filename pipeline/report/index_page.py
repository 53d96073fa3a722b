"""The index over all cameras that have a report."""

import os
from typing import Any

from pipeline import layout
from pipeline.evaluation.scores import read_scores
from pipeline.files import write_atomically
from pipeline.layout import CONFIG, CameraPaths
from pipeline.report.camera_page import read_json
from pipeline.report.glossary import VARIANT_NAMES, YARDSTICKS, meaning
from pipeline.report.judgement import judge
from pipeline.report.pictures import Picture, read_pictures, thumbnail
from pipeline.report.rendering import number, render

SIDE_PX = 300


def write_index_page() -> int:
    """Write reports/index.html; return the number of cameras. Raises PipelineError."""
    cards = [_card(camera) for camera in layout.reported_cameras()]
    layout.REPORTS.mkdir(exist_ok=True)
    write_atomically(layout.INDEX_PAGE, render("index.html", cards=cards))
    return len(cards)


def _card(camera: str) -> dict[str, Any]:
    paths = CameraPaths(camera=camera)
    judgement, summary = judge(read_scores(paths.scores)), read_json(paths.intervals)
    words, metric = meaning(judgement.metric), judgement.metric
    gain = next((gain for gain in judgement.gains if gain.yardstick == "untouched"), None)
    interval = f"{number(gain.low, 2, True)} … {number(gain.high, 2, True)}" if gain else ""
    return {
        "camera": camera,
        "target": read_json(paths.model / CONFIG, {}).get("target", ""),
        "address": os.path.relpath(CameraPaths(camera=camera).page, layout.REPORTS),
        "pictures": _pair(read_pictures(CameraPaths(camera=camera).shown)),
        "headline": judgement.headline,
        "photos": judgement.photos,
        "gain": f"{number(gain.mean, 2, True)} {judgement.unit}" if gain else "–",
        "interval": interval if gain and gain.low != gain.high else "",
        "kind": {1: "better", -1: "worse"}.get(gain.sign, "unclear") if gain else "unclear",
        "judge": f"{words.label} {'↑' if words.better == 'higher' else '↓'}",
        "scores": [
            (VARIANT_NAMES[variant], number(summary[variant][metric]["mean"], words.digits))
            for variant in (*YARDSTICKS, "enhanced")
            if metric in summary.get(variant, {})
        ],
        "version": read_json(paths.registered, {}),
    }


def _pair(pictures: list[Picture]) -> list[str]:
    """Before and after of the photo whose gain is in the middle: neither the best nor the worst."""
    if not pictures:
        return []
    ranked = sorted(pictures, key=lambda picture: picture.gain or 0)
    files = ranked[len(ranked) // 2].files
    return [thumbnail(files[variant], SIDE_PX) for variant in ("untouched", "enhanced")]
