"""Intake of one photo: verify it, find its truth if any, and store both under their hash.

The truth is the same scene taken with a better camera: the original, if the photo is re-rendered through a
simulated camera, or the photo of the same name from a second source.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline import store
from pipeline.errors import PhotoError
from pipeline.patches.manifest import Photo
from pipeline.photos.decoding import decode_original
from pipeline.photos.images import decode_photo, read_exif
from pipeline.sources.simulated_camera import SimulatedCamera, capture
from pipeline.sources.source import PhotoFile

MIN_SIDE_PX = 16  # smaller pictures are icons or tracking pixels, and too small for the scores


@dataclass(frozen=True, kw_only=True)
class IntakeRecord:
    """One photo's manifest row, before a split is assigned."""

    photo: Photo
    original_id: str  # hash of the source file; differs from photo.id if the photo was re-rendered
    scene: str = ""  # see PhotoFile


def take_in(
    found: PhotoFile, folder: Path, camera: SimulatedCamera | None, truths: Mapping[str, PhotoFile] | None
) -> IntakeRecord:
    """Store `found` in `folder`, unchanged or re-rendered through `camera`.

    A broken photo gives a row with the reason. truths: by the name of the photo; None if the set has none.
    """
    try:
        original = _bytes_of(found)
    except PhotoError as error:
        missing_id = _content_id(f"unreadable {_readable(found.name)}".encode())
        row = Photo(id=missing_id, name=_readable(found.name), bytes=0, reject_reason=str(error))
        return IntakeRecord(photo=row, original_id=missing_id)
    original_id = _content_id(original)
    try:
        decoded = decode_original(original)
        photo_hwc = decoded.srgb_hwc()
        if min(photo_hwc.shape[:2]) < MIN_SIDE_PX:
            raise PhotoError(f"smaller than {MIN_SIDE_PX} px")
        truth = found if camera else None
        if truths is not None:
            truth = _checked_truth(found, truths, photo_hwc)
    except PhotoError as error:
        return IntakeRecord(photo=_rejected(found, original, str(error)), original_id=original_id)
    data = capture(photo_hwc, camera, original_id) if camera else original
    path = _file(folder, "", data, ".jpg" if camera else found.path.suffix)
    truth_path = _file(folder, "truth/", _bytes_of(truth), truth.path.suffix) if truth else ""
    height, width, _ = photo_hwc.shape
    row = _row(found, data, path, truth_path, width, height)
    row = replace(row, warnings="; ".join(decoded.warnings))
    return IntakeRecord(photo=row, original_id=original_id, scene=_readable(found.scene))


def _checked_truth(found: PhotoFile, truths: Mapping[str, PhotoFile], photo_hwc: np.ndarray) -> PhotoFile:
    """Return the photo's truth. Raises PhotoError if it is missing, broken or of another size."""
    truth = truths.get(found.name)
    if truth is None:
        raise PhotoError("has no truth with the same name")
    try:
        truth_hwc = decode_photo(_bytes_of(truth))
    except PhotoError as error:
        raise PhotoError(f"its truth {_readable(truth.name)}: {error}") from None
    if truth_hwc.shape != photo_hwc.shape:
        sizes = (f"{width}×{height} px" for height, width, _ in (truth_hwc.shape, photo_hwc.shape))
        raise PhotoError(f"its truth {_readable(truth.name)} is {', not '.join(sizes)}")
    return truth


def _row(found: PhotoFile, data: bytes, path: str, truth_path: str, width: int, height: int) -> Photo:
    exif = read_exif(data)
    return Photo(
        id=_content_id(data),
        name=_readable(found.name),
        path=path,
        truth_path=truth_path,
        bytes=len(data),
        width=width,
        height=height,
        make=exif.make,
        model=exif.model,
        taken_at=exif.taken_at,
        orientation=exif.orientation,
    )


def _rejected(found: PhotoFile, data: bytes, reason: str) -> Photo:
    return Photo(id=_content_id(data), name=_readable(found.name), bytes=len(data), reject_reason=reason)


def _readable(name: str) -> str:
    """Make a name valid UTF-8, as Parquet requires; file names need not be."""
    return name.encode("utf-8", "backslashreplace").decode()


def _bytes_of(found: PhotoFile) -> bytes:
    """Read the file. Raises PhotoError, so that an unreadable file does not stop the others."""
    if found.problem:
        raise PhotoError(found.problem)
    try:
        return found.path.read_bytes()
    except FileNotFoundError:
        link = found.path.is_symlink()
        raise PhotoError("is a link to a file that does not exist" if link else "no longer exists") from None
    except OSError as error:
        raise PhotoError(f"cannot be read ({error.strerror}); change its permissions") from None


def _content_id(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _file(folder: Path, place: str, data: bytes, suffix: str) -> str:
    """Write a photo under the hash of its content, to `folder` or the store; return its path there."""
    path = f"{place}{_content_id(data)}{suffix.lower()}"
    file = store.photo_place(folder, path)
    if not store.is_remote(file):  # the whole folder is temporary, so no temporary file is needed
        Path(file).parent.mkdir(exist_ok=True)
        Path(file).write_bytes(data)
    elif store.sizes([file]) != [len(data)]:  # equal names have equal content
        store.write(file, data)
    return path
