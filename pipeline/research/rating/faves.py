"""Read a table of photos with faves and views into training examples: crops and labels, in three splits."""

import csv
import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch.nn import functional as F

from pipeline.errors import PhotoError, TrainingError
from pipeline.logs import Progress
from pipeline.models.rater_folder import crop_seed
from pipeline.patches.splits import Split, SplitName, assign_splits
from pipeline.photos.images import decode_photo
from wespe.rater import Examples, RaterConfig, cut_crops, shrink

COLUMNS = ("photo", "faves", "views")
MAX_LEFT_OUT = 0.05  # share of unreadable photos; above it, the table is probably the wrong one
SAME_BITS = 3  # of 64: copies in another size or JPEG quality differ by at most so many

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of the table."""

    name: str
    path: Path
    faves_per_view: float


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A row whose photo could be read, with its training crop (1, h, w, 3)."""

    line: Line
    id: str  # digest of its bytes
    fingerprint: int  # 64 bits of its appearance
    crop: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Faves:
    """The table's examples; `photos` counts those used, rarely viewed, unreadable, and copies of others."""

    parts: dict[SplitName, Examples]
    median: float
    photos: dict[str, int]


def read_faves(table: Path, config: RaterConfig, split: Split, min_views: int) -> Faves:
    """Read the table and its photos; label each as above or below the median of faves/views.

    Splits follow from the content; copies of a photo, also in another size or quality, are left out.
    Raises: TrainingError naming the table.
    """
    lines = read_table(table)
    viewed = [line for line, views in lines if views >= min_views]
    photos = _readable(viewed, config, table)
    unique = without_copies(photos)
    ratios = np.array([photo.line.faves_per_view for photo in unique])
    if len(unique) < 3 or ratios.min() == ratios.max():
        raise TrainingError(
            f"{table}: {len(unique)} different photos are too few, or have equal faves per view; add photos"
        )
    median = float(np.median(ratios))
    counts = {
        "used": len(unique),
        "rarely_viewed": len(lines) - len(viewed),
        "unreadable": len(viewed) - len(photos),
        "copies": len(photos) - len(unique),
    }
    return Faves(parts=_parts(unique, ratios > median, config, split), median=median, photos=counts)


def read_table(path: Path) -> list[tuple[Line, int]]:
    """Return the table's rows, each with its views. Raises TrainingError naming the line."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            if missing := [name for name in COLUMNS if name not in (table.fieldnames or ())]:
                raise TrainingError(
                    f"{path}: missing columns {', '.join(missing)}; it needs {', '.join(COLUMNS)}"
                )
            return [_line(path, table.line_num, row) for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TrainingError(
            f"{path} cannot be read as CSV: {error}; correct it or name another file"
        ) from None


def without_copies(photos: Iterable[Photo]) -> list[Photo]:
    """Keep the first of photos that look the same."""
    kept: list[Photo] = []
    seen = np.zeros(0, np.uint64)
    for photo in photos:
        look = np.uint64(photo.fingerprint)
        if not (np.bitwise_count(seen ^ look) <= SAME_BITS).any():
            kept.append(photo)
            seen = np.append(seen, look)
    return kept


def fingerprint(photo_hwc: np.ndarray) -> int:
    """Return 64 bits: where grey rises from left to right in an 8 × 9 grid of means (dHash, Krawetz 2013)."""
    grey = torch.from_numpy(shrink(photo_hwc, 288)).float().mean(2)
    grid = F.adaptive_avg_pool2d(grey[None], (8, 9))[0]
    return int.from_bytes(np.packbits((grid[:, 1:] > grid[:, :-1]).numpy()).tobytes(), "big")


def _line(path: Path, number: int, row: dict[str, str]) -> tuple[Line, int]:
    name = row["photo"] or ""
    try:
        faves, views = int(row["faves"]), int(row["views"])
    except (TypeError, ValueError):
        faves = views = -1
    if not name or min(faves, views) < 0:
        raise TrainingError(f"{path}, line {number}: needs a photo, and whole numbers of faves and views")
    ratio = faves / views if views else 0.0
    return Line(name=name, path=path.parent / name, faves_per_view=ratio), views


def _readable(lines: Sequence[Line], config: RaterConfig, table: Path) -> list[Photo]:
    """Read the photos. Raises TrainingError if more than a few are unreadable."""
    tried = _each("read", lines, lambda line: _photo(line, config))
    photos = [photo for photo in tried if isinstance(photo, Photo)]
    reasons = [reason for reason in tried if isinstance(reason, str)]
    if len(reasons) > MAX_LEFT_OUT * len(lines):
        raise TrainingError(
            f"{table}: {len(reasons)} of {len(lines)} photos cannot be used, first {reasons[0]};"
            " correct the table or the photos"
        )
    return photos


def _photo(line: Line, config: RaterConfig) -> Photo | str:
    """Return the photo, or the reason why it cannot be used."""
    try:
        data = line.path.read_bytes()
        photo_hwc = decode_photo(data)
        crop = cut_crops(photo_hwc, config, 1, crop_seed(line.name))
    except (OSError, PhotoError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        return f"{line.path}: {reason}"
    id = hashlib.sha256(data).hexdigest()[:32]
    return Photo(line=line, id=id, fingerprint=fingerprint(photo_hwc), crop=crop)


def _parts(
    photos: Sequence[Photo], high: np.ndarray, config: RaterConfig, split: Split
) -> dict[SplitName, Examples]:
    """Cut one crop of each training photo, and all crops of the others."""
    places = assign_splits((photo.id for photo in photos), split)

    def crops(photo: Photo) -> torch.Tensor:
        if places[photo.id] == "train":
            return photo.crop
        photo_hwc = decode_photo(photo.line.path.read_bytes())
        return cut_crops(photo_hwc, config, config.crops, crop_seed(photo.line.name))

    cut = _each("cut", photos, crops)
    parts: dict[SplitName, Examples] = {}
    names: tuple[SplitName, ...] = ("train", "validation", "test")
    for name in names:
        here = [index for index, photo in enumerate(photos) if places[photo.id] == name]
        if not here:
            raise TrainingError(f"{len(photos)} photos are too few: none is left for {name}; add photos")
        parts[name] = Examples(torch.stack([cut[index] for index in here]), torch.from_numpy(high[here]))
    return parts


def _each(verb: str, items: Sequence[Item], work: Callable[[Item], Result]) -> list[Result]:
    """Work on items in threads, which is enough since decoding releases Python's lock."""
    progress, results = Progress(verb, len(items), "photos"), []
    with ThreadPoolExecutor() as pool:
        for result in pool.map(work, items):
            results.append(result)
            progress.update()
    return results
