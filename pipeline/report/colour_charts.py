"""Draws histograms and colour curves of the report's photos and the target's photos."""

from collections.abc import Iterable

import numpy as np

from pipeline.layout import MANIFEST, photo_set
from pipeline.patches.manifest import accepted, read_manifest
from pipeline.photos.images import read_photo
from pipeline.report.charts import Chart, line_chart
from pipeline.report.colours import LEVELS, histograms, median_curves, sample
from pipeline.report.pictures import Picture
from pipeline.store import photo_place

# Photos are sorted by id, a hash, so the first ones are a random sample of the set.
TARGET_PHOTOS = 24
CURVES = {"enhanced": "enhanced", "histogram_match": "histogram match", "truth": "truth"}
FULL = (0.0, LEVELS - 1.0)


def draw(pictures: list[Picture], target: str) -> dict[str, list[Chart]]:
    """Return the charts `curves` and `histograms`; none if there are no pictures."""
    if not pictures:
        return {"curves": [], "histograms": []}
    samples = {name: _samples(pictures, name) for name in ("untouched", *CURVES)}
    return {"curves": _curves(pictures, samples), "histograms": _histograms(samples, _target(target))}


def _samples(pictures: list[Picture], variant: str) -> list[np.ndarray]:
    """Return pixels of each photo; an empty array if it has no such variant."""
    return [
        sample(read_photo(p.files[variant])) if variant in p.files else np.zeros((0, 3), np.uint8)
        for p in pictures
    ]


def _curves(pictures: list[Picture], samples: dict[str, list[np.ndarray]]) -> list[Chart]:
    curves = {}
    for variant, label in CURVES.items():
        pairs = [
            (b, a) for b, a in zip(samples["untouched"], samples[variant], strict=True) if len(a) == len(b)
        ]
        if pairs:
            before, after = zip(*pairs, strict=True)
            curves[label] = median_curves(list(before), list(after))
    unchanged = (FULL, FULL)
    return [
        line_chart(
            channel,
            {label: curve[channel] for label, curve in curves.items()} | {"unchanged": unchanged},
            x_range=FULL,
            y_range=FULL,
        )
        for channel in curves["enhanced"]
    ]


def _histograms(samples: dict[str, list[np.ndarray]], target: list[np.ndarray]) -> list[Chart]:
    sets = {"after": samples["enhanced"], "before": samples["untouched"]} | (
        {"target": target} if target else {}
    )
    shares = {label: histograms(pixels) for label, pixels in sets.items()}
    return [
        line_chart(
            plane,
            {label: planes[plane] for label, planes in shares.items()},
            x_range=FULL,
            # Ignore a few tall bins at clipped levels when scaling the axis.
            y_range=(
                0.0,
                max(float(np.percentile(planes[plane][1], 97)) * 1.25 for planes in shares.values()),
            ),
        )
        for plane in shares["after"]
    ]


def _target(name: str) -> list[np.ndarray]:
    folder = photo_set(f"targets.{name}").photos
    if not name or not (folder / MANIFEST).exists():
        return []
    photos: Iterable = accepted(read_manifest(folder))[:TARGET_PHOTOS]
    return [sample(read_photo(photo_place(folder, photo.path))) for photo in photos]
