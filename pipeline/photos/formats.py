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
# Read where pi-heif is installed, never written. Without it each is rejected with a reason, else a phone's
# whole folder would be passed over in silence.
HEIF = {".heic", ".heif", ".hif"}
# No photos: they often lie beside the JPEG that the camera has made of them.
RAW = {".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw"}


# Folders that NAS systems, archivers and file systems fill with thumbnails, copies and deleted files.
SYSTEM_FOLDERS = {
    "#recycle", "#snapshot", "$recycle.bin", "@eadir", "@recently-snapshot", "@recycle", "@syno", "@tmp",
    "__macosx", "lost+found", "system volume information",
}  # fmt: skip


def is_photo(name: str) -> bool:
    """Tell by the name whether a file is a photo; hidden ones and those of system folders never are."""
    path = PurePath(name)
    hidden = any(part.startswith(".") and part not in (".", "..") for part in path.parts)
    system = any(part.lower() in SYSTEM_FOLDERS for part in path.parts)
    marker = name.endswith("/")  # a bucket's stand-in for a folder
    return not (hidden or system or marker) and path.suffix.lower() in FORMATS.keys() | HEIF


def written_as(suffix: str) -> str:
    """The suffix of what becomes of a photo: its own, and JPEG's where it can only be read."""
    return ".jpg" if suffix.lower() in HEIF else suffix
