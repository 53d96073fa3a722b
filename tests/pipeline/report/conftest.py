"""A camera with scores and pictures, as evaluation leaves them for the report."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.evaluation.scores import Score, summarise, write_scores
from pipeline.layout import CameraPaths
from wespe.metrics.full_reference import psnr

VARIANTS = ("untouched", "histogram_match", "auto_enhance", "enhanced")
BRIGHTER = {"untouched": 0.6, "histogram_match": 0.75, "auto_enhance": 0.7, "enhanced": 0.9}
SIZE = (150, 100)
Report = Callable[..., CameraPaths]


@pytest.fixture
def evaluated_camera(camera: Callable[..., CameraPaths], demo_photos: Path) -> Report:
    """Return `evaluated(photos=5, truth=True, name="walk/{number}.png")`: all that a report reads.

    The untouched photo is 40 % too dark, the enhanced one 10 %; the first photo gains the least.
    """

    def evaluated(photos: int = 5, truth: bool = True, name: str = "walk/{number}.png") -> CameraPaths:
        paths = camera(truth=truth)
        sources = sorted(demo_photos.iterdir())
        scores, index = [], []
        for number in range(photos):
            pixels = np.asarray(Image.open(sources[number % len(sources)]).convert("RGB").resize(SIZE))
            variants = {v: (pixels * share).astype(np.uint8) for v, share in BRIGHTER.items()}
            variants["enhanced"] = (pixels * (0.7 + 0.2 * (number + 1) / photos)).astype(np.uint8)
            entry = _write(paths, number, name, variants | ({"truth": pixels} if truth else {}))
            index.append(entry)
            scores += [
                Score(photo_id=entry["id"], name=entry["name"], variant=variant, metric=metric, value=value)
                for variant, values in entry["scores"].items()
                for metric, value in values.items()
            ]
        scores += [
            Score(photo_id="", name="", variant=variant, metric="colour_distance", value=30 * (1 - share))
            for variant, share in BRIGHTER.items()
        ]
        (CameraPaths(camera="phone").shown / "index.json").write_text(json.dumps(index))
        write_scores(paths.scores, scores)
        paths.intervals.write_text(json.dumps(summarise(scores)))
        return paths

    return evaluated


def _write(paths: CameraPaths, number: int, name: str, variants: dict[str, np.ndarray]) -> dict:
    folder = CameraPaths(camera=paths.camera).shown / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    for variant, pixels in variants.items():
        Image.fromarray(pixels).save(folder / f"{variant}.jpg", quality=85)
    scores = {v: {"noise": 1.0 + 0.1 * number, "entropy": 7.0 + 0.1 * number} for v in VARIANTS}
    if "truth" in variants:
        for variant in VARIANTS:
            scores[variant]["psnr"] = psnr(variants[variant], variants["truth"])
    return {
        "id": f"{number:032x}",
        "name": name.format(number=number),
        "width": SIZE[0],
        "height": SIZE[1],
        "folder": folder.name,
        "variants": list(variants),
        "scores": scores,
    }
