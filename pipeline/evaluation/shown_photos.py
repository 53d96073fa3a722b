"""The test photos that the report shows: which ones, and every variant of them as a JPEG."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluation.scores import VARIANTS, Score, by_photo
from pipeline.files import write_atomically
from pipeline.layout import INDEX
from pipeline.patches.manifest import Photo
from pipeline.photos.images import write_photo

MOST = 24
EXTREMES = 10  # worst, and as many best
SIDE_PX = 1200  # of the middle of a photo, at 1:1
QUALITY = 90


def choose(photos: Sequence[Photo], scores: Sequence[Score]) -> list[Photo]:
    """Choose all of a few photos, and of many the worst and best by PSNR gain, or the first."""
    if len(photos) <= MOST:
        return list(photos)
    before, after = (by_photo(scores, variant, "psnr") for variant in ("untouched", "enhanced"))
    judged = [photo for photo in photos if photo.id in after]
    if len(judged) < 2 * EXTREMES:
        return list(photos[:MOST])
    judged.sort(key=lambda photo: after[photo.id] - before[photo.id])
    return judged[:EXTREMES] + judged[-EXTREMES:]


class ShownPhotos:
    """Writes `ID/VARIANT.jpg` into a folder, and in the end `index.json`."""

    def __init__(self, folder: Path, scores: Sequence[Score]):
        self.folder = folder
        self.entries: list[dict[str, Any]] = []
        self._scores = {photo: _by_variant(own) for photo, own in _by_photo_id(scores).items()}
        shutil.rmtree(folder, ignore_errors=True)

    def add(self, photo: Photo, variants: Mapping[str, np.ndarray]) -> None:
        """Write a photo's variants, the truth among them, at 1:1: of a large photo the middle."""
        folder = self.folder / photo.id[:12]
        if folder.exists():  # two ids that begin alike
            folder = self.folder / photo.id
        folder.mkdir(parents=True)
        for variant, photo_hwc in variants.items():
            write_photo(folder / f"{variant}.jpg", _middle(photo_hwc), QUALITY)
        self.entries.append(
            {
                "id": photo.id,
                "name": photo.name,
                "width": photo.width,
                "height": photo.height,
                "folder": folder.name,
                "variants": list(variants),
                "scores": self._scores.get(photo.id, {}),
            }
        )

    def finish(self) -> None:
        """Write the index, the mark of a whole folder."""
        write_atomically(self.folder / INDEX, json.dumps(self.entries, indent=1).encode() + b"\n")


def _middle(photo_hwc: np.ndarray) -> np.ndarray:
    top, left = (max(0, side - SIDE_PX) // 2 for side in photo_hwc.shape[:2])
    return np.ascontiguousarray(photo_hwc[top : top + SIDE_PX, left : left + SIDE_PX])


def _by_photo_id(scores: Sequence[Score]) -> dict[str, list[Score]]:
    found: dict[str, list[Score]] = {}
    for score in scores:
        found.setdefault(score.photo_id, []).append(score)
    return found


def _by_variant(scores: Sequence[Score]) -> dict[str, dict[str, float]]:
    return {v: {s.metric: s.value for s in scores if s.variant == v} for v in VARIANTS}
