"""Take one photo in: verify it, join it with its truth if there is one, file both by their content.

A photo's truth is the same picture by the better camera: the untouched original, where a simulated camera
re-renders the photo, or the photo of the same name from a second source.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import PhotoError, SourceError
from pipeline.patches.manifest import Photo
from pipeline.photos.images import decode_photo, read_exif
from pipeline.sources.simulated_camera import SimulatedCamera, capture
from pipeline.sources.source import Found

MIN_SIDE_PX = 16  # an icon or a tracking pixel: no score can be had of it


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A row without its split yet."""

    photo: Photo
    original_id: str  # of the bytes that the source gave; photo.id unless a simulated camera was between


def take_in(
    found: Found, folder: Path, camera: SimulatedCamera | None, truths: Mapping[str, Found] | None
) -> Taken:
    """Put `found` into `folder`, as it is or as the camera sees it; a broken photo is a row with a reason.

    `truths`, where there are any, holds the truth of every photo by the photo's name.
    Raises: SourceError when a file cannot be read at all.
    """
    original = _bytes_of(found)
    original_id = _content_id(original)
    try:
        photo_hwc = decode_photo(original)
        if min(photo_hwc.shape[:2]) < MIN_SIDE_PX:
            raise PhotoError(f"smaller than {MIN_SIDE_PX} px")
        truth = found if camera else None
        if truths is not None:
            truth = _checked_truth(found, truths, photo_hwc)
    except PhotoError as error:
        return Taken(photo=_rejected(found, original, str(error)), original_id=original_id)
    data = capture(photo_hwc, camera, original_id) if camera else original
    path = _file(folder, "", data, ".jpg" if camera else found.path.suffix)
    truth_path = _file(folder, "truth/", _bytes_of(truth), truth.path.suffix) if truth else ""
    height, width, _ = photo_hwc.shape
    return Taken(photo=_row(found, data, path, truth_path, width, height), original_id=original_id)


def _checked_truth(found: Found, truths: Mapping[str, Found], photo_hwc: np.ndarray) -> Found:
    """The photo's truth. Raises PhotoError if there is none that can be laid upon it."""
    truth = truths.get(found.name)
    if truth is None:
        raise PhotoError("has no truth of the same name")
    try:
        truth_hwc = decode_photo(_bytes_of(truth))
    except PhotoError as error:
        raise PhotoError(f"its truth {_readable(truth.name)}: {error}") from None
    if truth_hwc.shape != photo_hwc.shape:
        sizes = (f"{width}×{height} px" for height, width, _ in (truth_hwc.shape, photo_hwc.shape))
        raise PhotoError(f"its truth {_readable(truth.name)} is {', not '.join(sizes)}")
    return truth


def _row(found: Found, data: bytes, path: str, truth_path: str, width: int, height: int) -> Photo:
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


def _rejected(found: Found, data: bytes, reason: str) -> Photo:
    return Photo(id=_content_id(data), name=_readable(found.name), bytes=len(data), reject_reason=reason)


def _readable(name: str) -> str:
    """File names of old cameras need not be UTF-8; Parquet's text is."""
    return name.encode("utf-8", "backslashreplace").decode()


def _bytes_of(found: Found) -> bytes:
    try:
        return found.path.read_bytes()
    except OSError as error:
        raise SourceError(f"{found.path} cannot be read: {error.strerror}; make it readable") from error


def _content_id(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _file(folder: Path, place: str, data: bytes, suffix: str) -> str:
    """Write a photo under the name of its content; return its path within `folder`."""
    # No temporary name: the whole folder has one, and threads that meet here write the same bytes.
    path = folder / f"{place}{_content_id(data)}{suffix.lower()}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path.relative_to(folder).as_posix()
