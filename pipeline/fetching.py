"""From any source to one folder of verified photos and their manifest."""

import os
import shutil
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline import layout
from pipeline.data.manifest import Photo, accepted, write_manifest
from pipeline.data.splits import Split, assign_splits
from pipeline.errors import SourceError
from pipeline.intake import Taken, take_in
from pipeline.logs import Progress
from pipeline.sources import AnySource
from pipeline.sources.source import Found
from pipeline.virtual_camera import VirtualCamera

SHOWN_REJECTS = 5


@dataclass(frozen=True, kw_only=True)
class PhotoSet:
    """The photos of one camera or target: one block in params.yaml."""

    source: AnySource
    virtual_camera: VirtualCamera | None = None  # takes every photo anew; the original becomes its truth
    split: Split = field(default_factory=Split)
    max_rejected_share: float = 0.05  # of the photos; more broken ones stop the stage

    def __post_init__(self) -> None:
        if not 0 <= self.max_rejected_share < 1:
            raise ValueError("max_rejected_share must be at least 0 and below 1")


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What a fetch brought; as text, one line."""

    photos: list[Photo]
    duplicates: int  # files with the same content as another

    def __str__(self) -> str:
        good = accepted(self.photos)
        splits = Counter(photo.split for photo in good)
        return (
            f"{len(good)} photos, {sum(photo.bytes for photo in good) / 1e6:.1f} MB"
            f" ({splits['train']} train, {splits['validation']} validation, {splits['test']} test),"
            f" {len(self.photos) - len(good)} rejected, {self.duplicates} duplicates left out"
        )


def fetch_photos(address: str, photo_set: PhotoSet) -> Fetched:
    """Fetch, verify and list the photos of `cameras.NAME` or `targets.NAME`; all of them appear, or none.

    Raises: SourceError naming the address.
    """
    paths = layout.photo_set(address)
    try:
        found = list(photo_set.source.fetch(paths.downloads, f"fetch {paths.name}"))
        taken = _build(found, photo_set, paths)
    except SourceError as error:
        raise SourceError(f"{address}: {error}") from error
    shutil.rmtree(paths.downloads, ignore_errors=True)
    return Fetched(photos=taken, duplicates=len(found) - len(taken))


def _build(found: list[Found], photo_set: PhotoSet, paths: layout.PhotoSetPaths) -> list[Photo]:
    """Build the folder under a temporary name, and rename it once it is whole."""
    partial = paths.root / ".photos.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        taken = _take_in_all(found, partial, photo_set.virtual_camera, f"verify {paths.name}")
        _check_rejects([one.photo for one in taken], photo_set.max_rejected_share)
        photos = _with_splits(taken, photo_set.split)
        write_manifest(partial, photos)
        shutil.rmtree(paths.photos, ignore_errors=True)
        os.replace(partial, paths.photos)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return photos


def _take_in_all(found: list[Found], folder: Path, camera: VirtualCamera | None, title: str) -> list[Taken]:
    """Take every photo in; of those with the same content the first one counts."""
    progress = Progress(title, len(found), "photos")
    by_id: dict[str, Taken] = {}
    # Threads do: Pillow and numpy let others run while they decode and compute.
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")  # a decoder's doubts; what it cannot decode becomes a row
        for taken in pool.map(lambda one: take_in(one, folder, camera), found):
            by_id.setdefault(taken.photo.id, taken)
            progress.update()
    return list(by_id.values())


def _check_rejects(photos: list[Photo], max_share: float) -> None:
    broken = [photo for photo in photos if photo.reject_reason]
    if len(broken) <= max_share * len(photos) and len(broken) < len(photos):
        return
    shown = "; ".join(f"{photo.name}: {photo.reject_reason}" for photo in broken[:SHOWN_REJECTS])
    more = f"; and {len(broken) - SHOWN_REJECTS} more" if len(broken) > SHOWN_REJECTS else ""
    raise SourceError(
        f"{len(broken)} of {len(photos)} photos are broken, more than max_rejected_share {max_share:g}"
        f" ({shown}{more}); replace or remove them, or raise max_rejected_share in params.yaml"
    )


def _with_splits(taken: list[Taken], split: Split) -> list[Photo]:
    """Split by the original's content: another setting of the virtual camera moves no photo."""
    splits = assign_splits([one.original_id for one in taken if not one.photo.reject_reason], split)
    return [replace(one.photo, split=splits.get(one.original_id, "")) for one in taken]
