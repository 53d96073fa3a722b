"""Which files count as photos: suffix → Pillow's format."""

from pathlib import PurePath

FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".avif": "AVIF",
}
# Photos too: each is rejected with a reason, else a phone's whole folder would be passed over in silence.
UNREADABLE = {".heic", ".heif"}


def is_photo(name: str) -> bool:
    """Tell by the name whether a file is a photo; hidden files and folders never are."""
    path = PurePath(name)
    hidden = any(part.startswith(".") and part not in (".", "..") for part in path.parts)
    return not hidden and path.suffix.lower() in FORMATS.keys() | UNREADABLE
