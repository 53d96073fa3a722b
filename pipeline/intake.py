"""Take one photo in: verify it, pass it through a virtual camera if there is one, file it by its content."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pipeline.data.images import decode_photo, read_exif
from pipeline.data.manifest import Photo
from pipeline.errors import PhotoError, SourceError
from pipeline.sources.source import Found
from pipeline.virtual_camera import VirtualCamera, capture

MIN_SIDE_PX = 16  # an icon or a tracking pixel: no score can be had of it


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A row without its split yet."""

    photo: Photo
    original_id: str  # of the bytes that the source gave; photo.id unless a virtual camera was between


def take_in(found: Found, folder: Path, camera: VirtualCamera | None) -> Taken:
    """Put `found` into `folder`, as it is or as the camera sees it; a broken photo is a row with a reason.

    Raises: SourceError when the file cannot be read at all.
    """
    original = _bytes_of(found)
    original_id = _content_id(original)
    try:
        photo_hwc = decode_photo(original)
    except PhotoError as error:
        return Taken(photo=_rejected(found, original, str(error)), original_id=original_id)
    if min(photo_hwc.shape[:2]) < MIN_SIDE_PX:
        reason = f"smaller than {MIN_SIDE_PX} px"
        return Taken(photo=_rejected(found, original, reason), original_id=original_id)
    suffix = found.path.suffix.lower()
    data = capture(photo_hwc, camera, original_id) if camera else original
    path = f"{_content_id(data)}{'.jpg' if camera else suffix}"
    truth_path = f"truth/{_content_id(data)}{suffix}" if camera else ""
    _write(folder / path, data)
    if truth_path:
        _write(folder / truth_path, original)
    height, width, _ = photo_hwc.shape
    return Taken(photo=_row(found, data, path, truth_path, width, height), original_id=original_id)


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


def _write(path: Path, data: bytes) -> None:
    # No temporary name: the whole folder has one, and threads that meet here write the same bytes.
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
