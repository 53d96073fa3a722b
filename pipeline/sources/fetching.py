"""Fetches photos and any truths from a source into a folder, verifies them, and writes a manifest."""

import os
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from filelock import FileLock, Timeout

from pipeline import layout
from pipeline.errors import SourceError
from pipeline.logs import PhotoWarnings, Progress
from pipeline.patches.manifest import Photo, accepted, write_manifest
from pipeline.patches.splits import Split, assign_splits
from pipeline.sources import AnySource
from pipeline.sources.intake import IntakeRecord, take_in
from pipeline.sources.settings import PhotoSet
from pipeline.sources.source import PhotoFile

SHOWN_REJECTS = 5
FEW_PHOTOS = 20  # with fewer training photos, a model hardly improves on its initial transform


@dataclass(frozen=True, kw_only=True)
class FetchSummary:
    """The result of a fetch; as text, one line."""

    photos: list[Photo]
    duplicates: int  # files with the same content as another

    def __str__(self) -> str:
        good = accepted(self.photos)
        splits = Counter(photo.split for photo in good)
        return (
            f"{len(good)} photos, {sum(photo.bytes for photo in good) / 1e6:.1f} MB"
            f" ({splits['train']} train, {splits['validation']} validation, {splits['test']} test),"
            f" {len(self.rejected)} rejected, {self.duplicates} duplicates left out"
        )

    @property
    def rejected(self) -> list[Photo]:
        return [photo for photo in self.photos if photo.reject_reason]

    @property
    def warnings(self) -> list[str]:
        """Warnings before training, one line each."""
        lines = [f"rejected {photo.name}: {photo.reject_reason}" for photo in self.rejected[:SHOWN_REJECTS]]
        if len(self.rejected) > SHOWN_REJECTS:
            lines.append(f"rejected {len(self.rejected) - SHOWN_REJECTS} more; the manifest lists them")
        odd = PhotoWarnings()
        for photo in self.photos:
            odd.add(photo.name, filter(None, photo.warnings.split("; ")))
        lines += odd.lines()[:SHOWN_REJECTS]
        if (train := sum(photo.split == "train" for photo in self.photos)) < FEW_PHOTOS:
            lines.append(
                f"only {train} photo{'s' * (train != 1)} for training; expect a weak model, or add photos "
                f"({FEW_PHOTOS} or more)"
            )
        return lines


def fetch_photos(address: str, photo_set: PhotoSet) -> FetchSummary:
    """Fetch, verify and list the photos of `cameras.NAME` or `targets.NAME`, atomically.

    Raises: SourceError naming the address.
    """
    paths = layout.photo_set(address)
    paths.downloads.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(paths.downloads.with_name(f"{paths.name}.lock"), timeout=0):
            return _fetch(address, photo_set, paths)
    except Timeout:
        raise SourceError(f"{address}: another process is fetching it; wait until it has finished") from None


def _fetch(address: str, photo_set: PhotoSet, paths: layout.PhotoSetPaths) -> FetchSummary:
    try:
        found = list(photo_set.source.fetch(paths.downloads / "photos", f"fetch {paths.name}"))
        truths = _truths(found, photo_set.truth, paths) if photo_set.truth else None
        taken = _build(found, truths, photo_set, paths)
    except SourceError as error:
        raise SourceError(f"{address}: {error}") from error
    shutil.rmtree(paths.downloads, ignore_errors=True)
    return FetchSummary(photos=taken, duplicates=len(found) - len(taken))


def _truths(found: list[PhotoFile], source: AnySource, paths: layout.PhotoSetPaths) -> dict[str, PhotoFile]:
    """Fetch the truths and return them by the name of their photo. Raises SourceError."""
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
                    f"{len(alike)} {what} have the name {key!r} ({names}), so their pairs are ambiguous; "
                    "rename them or keep only one"
                )
    return {photos_at[key][0].name: truths_at[key][0] for key in both}


def _grouped(found: list[PhotoFile], key: Callable[[PhotoFile], str]) -> dict[str, list[PhotoFile]]:
    groups: dict[str, list[PhotoFile]] = {}
    for one in found:
        groups.setdefault(key(one), []).append(one)
    return groups


def _place(found: PhotoFile) -> str:
    return str(PurePosixPath(found.name).with_suffix(""))


def _stem(found: PhotoFile) -> str:
    return PurePosixPath(found.name).stem


def _build(
    found: list[PhotoFile],
    truths: Mapping[str, PhotoFile] | None,
    photo_set: PhotoSet,
    paths: layout.PhotoSetPaths,
) -> list[Photo]:
    """Build the folder under a temporary name, and rename it when it is complete."""
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
        _check_count([one.photo for one in taken])
        photos = _with_splits(taken, photo_set.split)
        write_manifest(partial, photos)
        shutil.rmtree(paths.photos, ignore_errors=True)
        os.replace(partial, paths.photos)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return photos


def _take_in_all(
    found: list[PhotoFile], take: Callable[[PhotoFile], IntakeRecord], title: str
) -> list[IntakeRecord]:
    """Verify and store all photos; keep the first of several with the same content."""
    progress = Progress(title, len(found), "photos")
    by_id: dict[str, IntakeRecord] = {}
    # Threads are sufficient: Pillow and numpy release the interpreter lock.
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")  # of decoders; photos that cannot be decoded become rejected rows
        for taken in pool.map(take, found):
            by_id.setdefault(taken.photo.id, taken)
            progress.update()
    return list(by_id.values())


def _check_rejects(photos: list[Photo], max_share: float) -> None:
    broken = [photo for photo in photos if photo.reject_reason]
    allowed = max(1, max_share * len(photos)) if max_share else 0  # one broken photo never stops the rest
    if len(broken) <= allowed and len(broken) < len(photos):
        return
    shown = "; ".join(f"{photo.name}: {photo.reject_reason}" for photo in broken[:SHOWN_REJECTS])
    more = f"; and {len(broken) - SHOWN_REJECTS} more" if len(broken) > SHOWN_REJECTS else ""
    raise SourceError(
        f"{len(broken)} of {len(photos)} photos are broken, more than max_rejected_share {max_share:g}"
        f" ({shown}{more}); replace or remove them, or raise max_rejected_share in params.yaml"
    )


def _check_count(photos: list[Photo]) -> None:
    if len(accepted(photos)) == 1:
        raise SourceError(
            "contains only one photo; add more"
            f" (at least two, and {FEW_PHOTOS} to {10 * FEW_PHOTOS} for a useful model)"
        )


def _with_splits(taken: list[IntakeRecord], split: Split) -> list[Photo]:
    """Assign splits by the scene, or else the original's content, which no simulated camera changes."""
    splits = assign_splits(
        [one.scene or one.original_id for one in taken if not one.photo.reject_reason], split
    )
    return [
        replace(one.photo, split="" if one.photo.reject_reason else splits[one.scene or one.original_id])
        for one in taken
    ]
