"""Chooses the test photos that the report shows, and writes all their variants as JPEGs."""

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
EXTREMES = 10  # number of worst photos, and of best photos
SIDE_PX = 1200  # of the centre crop, at 1:1
QUALITY = 90

Scores = dict[str, dict[str, float]]  # variant → metric → value


@dataclass(frozen=True, kw_only=True)
class ShownPhoto:
    """One entry of index.json; `folder` contains VARIANT.jpg for every variant."""

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
    """A folder with `ID/VARIANT.jpg` files and `index.json`: all photos if they are few, else worst and best.

    Photos are written immediately and deleted if others are chosen, so that none is enhanced twice.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.entries: list[ShownPhoto] = []
        self._added = 0
        shutil.rmtree(folder, ignore_errors=True)

    def add(self, photo: Photo, variants: Mapping[str, np.ndarray], scores: Scores) -> None:
        """Write a photo's variants, including any truth, at 1:1; of large photos only the centre."""
        folder = self.folder / photo.id[:12]
        if folder.exists():  # another id has the same prefix
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
        """Write the index, which marks the folder as complete."""
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
    """Choose the worst and the best by PSNR gain, or the first photos if too few have one."""
    ranked = sorted((e for e in entries if e.gain is not None), key=lambda entry: entry.gain or 0)
    if len(ranked) < 2 * EXTREMES:
        return entries[:MOST]
    return ranked[:EXTREMES] + ranked[-EXTREMES:]


def _middle(photo_hwc: np.ndarray) -> np.ndarray:
    top, left = (max(0, side - SIDE_PX) // 2 for side in photo_hwc.shape[:2])
    return np.ascontiguousarray(photo_hwc[top : top + SIDE_PX, left : left + SIDE_PX])
