"""The test photos that the report shows: which ones, and every variant of them as a JPEG."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pipeline.files import write_atomically
from pipeline.layout import INDEX
from pipeline.patches.manifest import Photo
from pipeline.photos.images import write_photo

MOST = 24
EXTREMES = 10  # the worst, and as many of the best
SIDE_PX = 1200  # of the middle of a photo, at 1:1
QUALITY = 90

Scores = dict[str, dict[str, float]]  # variant → metric → value


@dataclass(frozen=True, kw_only=True)
class ShownPhoto:
    """One entry of index.json; `folder` holds VARIANT.jpg for every variant."""

    id: str
    name: str
    width: int
    height: int
    folder: str
    variants: list[str]
    scores: Scores

    @property
    def gain(self) -> float | None:
        """PSNR gain over the untouched photo in dB; None without a truth."""
        before, after = (self.scores.get(v, {}).get("psnr") for v in ("untouched", "enhanced"))
        return None if before is None or after is None else after - before


class ShownPhotos:
    """A folder of `ID/VARIANT.jpg`, and in the end `index.json`: all of a few photos, or the worst and best.

    Photos are dropped as better choices come, so that none has to be enhanced twice.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.entries: list[ShownPhoto] = []
        self._added = 0
        shutil.rmtree(folder, ignore_errors=True)

    def add(self, photo: Photo, variants: Mapping[str, np.ndarray], scores: Scores) -> None:
        """Write a photo's variants, the truth among them, at 1:1: of a large photo the middle."""
        folder = self.folder / photo.id[:12]
        if folder.exists():  # two ids that begin alike
            folder = self.folder / photo.id
        folder.mkdir(parents=True)
        for variant, photo_hwc in variants.items():
            write_photo(folder / f"{variant}.jpg", _middle(photo_hwc), QUALITY)
        entry = ShownPhoto(
            id=photo.id,
            name=photo.name,
            width=photo.width,
            height=photo.height,
            folder=folder.name,
            variants=list(variants),
            scores=scores,
        )
        self._added += 1
        self.entries.append(entry)
        if len(self.entries) > MOST:
            self._keep(choose(self.entries))

    def finish(self) -> None:
        """Write the index, the mark of a complete folder."""
        if self._added > MOST:
            self._keep(choose(self.entries))
        entries = [asdict(entry) for entry in self.entries]
        write_atomically(self.folder / INDEX, json.dumps(entries, indent=1).encode() + b"\n")

    def _keep(self, chosen: list[ShownPhoto]) -> None:
        for entry in self.entries:
            if entry not in chosen:
                shutil.rmtree(self.folder / entry.folder)
        self.entries = chosen


def choose(entries: list[ShownPhoto]) -> list[ShownPhoto]:
    """Choose the worst and the best by PSNR gain, or the first where too few have one."""
    ranked = sorted((e for e in entries if e.gain is not None), key=lambda entry: entry.gain or 0)
    if len(ranked) < 2 * EXTREMES:
        return entries[:MOST]
    return ranked[:EXTREMES] + ranked[-EXTREMES:]


def _middle(photo_hwc: np.ndarray) -> np.ndarray:
    top, left = (max(0, side - SIDE_PX) // 2 for side in photo_hwc.shape[:2])
    return np.ascontiguousarray(photo_hwc[top : top + SIDE_PX, left : left + SIDE_PX])
