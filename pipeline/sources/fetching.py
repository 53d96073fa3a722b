"""From any source to one folder of verified photos, their truths where there are any, and their manifest."""

import os
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from pipeline import layout
from pipeline.errors import SourceError
from pipeline.logs import Progress
from pipeline.patches.manifest import Photo, accepted, write_manifest
from pipeline.patches.splits import Split, assign_splits
from pipeline.sources import AnySource
from pipeline.sources.intake import Taken, take_in
from pipeline.sources.settings import PhotoSet
from pipeline.sources.source import Found

SHOWN_REJECTS = 5


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
        found = list(photo_set.source.fetch(paths.downloads / "photos", f"fetch {paths.name}"))
        truths = _truths(found, photo_set.truth, paths) if photo_set.truth else None
        taken = _build(found, truths, photo_set, paths)
    except SourceError as error:
        raise SourceError(f"{address}: {error}") from error
    shutil.rmtree(paths.downloads, ignore_errors=True)
    return Fetched(photos=taken, duplicates=len(found) - len(taken))


def _truths(found: list[Found], source: AnySource, paths: layout.PhotoSetPaths) -> dict[str, Found]:
    """Fetch the truths, and find each photo's: name of the photo → its truth. Raises SourceError."""
    try:
        truths = list(source.fetch(paths.downloads / "truth", f"fetch {paths.name}, truth"))
    except SourceError as error:
        raise SourceError(f"truth: {error}") from error
    photos_at, truths_at = _grouped(found, _place), _grouped(truths, _place)
    if not photos_at.keys() & truths_at.keys():  # such as iphone/1.jpg and canon/1.png in one bucket
        photos_at, truths_at = _grouped(found, _stem), _grouped(truths, _stem)
    both = sorted(photos_at.keys() & truths_at.keys())
    for key in both:
        for what, alike in (("photos", photos_at[key]), ("truths", truths_at[key])):
            if len(alike) > 1:
                names = ", ".join(repr(one.name) for one in alike)
                raise SourceError(
                    f"{len(alike)} {what} have the name {key!r} ({names}), so that pairs cannot be told; "
                    "rename them, or leave all but one out"
                )
    return {photos_at[key][0].name: truths_at[key][0] for key in both}


def _grouped(found: list[Found], key: Callable[[Found], str]) -> dict[str, list[Found]]:
    groups: dict[str, list[Found]] = {}
    for one in found:
        groups.setdefault(key(one), []).append(one)
    return groups


def _place(found: Found) -> str:
    return str(PurePosixPath(found.name).with_suffix(""))


def _stem(found: Found) -> str:
    return PurePosixPath(found.name).stem


def _build(
    found: list[Found], truths: Mapping[str, Found] | None, photo_set: PhotoSet, paths: layout.PhotoSetPaths
) -> list[Photo]:
    """Build the folder under a temporary name, and rename it once it is whole."""
    partial = paths.root / ".photos.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        taken = _take_in_all(
            found,
            lambda one: take_in(one, partial, photo_set.simulated_camera, truths),
            f"verify {paths.name}",
        )
        _check_rejects([one.photo for one in taken], photo_set.max_rejected_share)
        photos = _with_splits(taken, photo_set.split)
        write_manifest(partial, photos)
        shutil.rmtree(paths.photos, ignore_errors=True)
        os.replace(partial, paths.photos)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return photos


def _take_in_all(found: list[Found], take: Callable[[Found], Taken], title: str) -> list[Taken]:
    """Take every photo in; of those with the same content the first one counts."""
    progress = Progress(title, len(found), "photos")
    by_id: dict[str, Taken] = {}
    # Threads do: Pillow and numpy let others run while they decode and compute.
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")  # a decoder's doubts; what it cannot decode becomes a row
        for taken in pool.map(take, found):
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
    """Split by the original's content: another setting of the simulated camera moves no photo."""
    splits = assign_splits([one.original_id for one in taken if not one.photo.reject_reason], split)
    return [replace(one.photo, split=splits.get(one.original_id, "")) for one in taken]
