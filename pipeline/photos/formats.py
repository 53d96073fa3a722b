"""Which files are photos, by their suffix, and what each format can hold."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format that is read and written; pipeline.photos.codecs has its module.

    deep: holds 16 bits per sample. alpha: holds transparency. gray: holds pictures of one channel.
    most_px: the longest side that it can have.
    """

    suffixes: tuple[str, ...]
    deep: bool = False
    alpha: bool = True
    gray: bool = True
    most_px: int


BY_NAME = {
    "JPEG": Format(suffixes=(".jpg", ".jpeg"), alpha=False, most_px=65_500),
    "PNG": Format(suffixes=(".png",), deep=True, most_px=2**31 - 1),
    "TIFF": Format(suffixes=(".tif", ".tiff"), deep=True, most_px=2**31 - 1),
    "WEBP": Format(suffixes=(".webp",), gray=False, most_px=16_383),
    "JXL": Format(suffixes=(".jxl",), deep=True, most_px=2**30),
    "AVIF": Format(suffixes=(".avif",), gray=False, most_px=65_536),
}
FORMATS = {suffix: name for name, format in BY_NAME.items() for suffix in format.suffixes}
# Read where pi-heif is installed, never written. Without it each is rejected with a reason: to skip a phone's
# whole folder in silence would be worse.
HEIF = {".heic", ".heif", ".hif"}
# Read where rawpy is installed, never written; without it each is rejected with a reason, like HEIF.
RAW = {
    ".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".iiq", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2",
    ".rwl", ".srw",
}  # fmt: skip
READ = FORMATS.keys() | HEIF | RAW

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
    return not (hidden or system or marker) and path.suffix.lower() in READ


def is_raw(name: str) -> bool:
    """Tell by the suffix whether a file has the values of a camera's sensor."""
    return PurePath(name).suffix.lower() in RAW


def without_doubles(names: Iterable[str]) -> list[str]:
    """Leave out each RAW beside the photo that the camera has made of it: IMG_1.CR2 beside IMG_1.JPG.

    Both show the same scene: results would be doubled, and a training photo could be a test photo as well.
    """
    listed = list(names)
    developed = {_stem(name) for name in listed if not is_raw(name)}
    return [name for name in listed if not (is_raw(name) and _stem(name) in developed)]


def photos_below(folder: Path) -> list[Path]:
    """List the photos in a folder and its sub-folders, sorted, without doubles."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return sorted(folder / name for name in without_doubles(filter(is_photo, names)))


def written_as(suffix: str) -> str:
    """The suffix of a photo's result: its own, TIFF's for RAW, which has 16 bits, and JPEG's for HEIF."""
    if suffix.lower() in RAW:
        return ".tif"
    return ".jpg" if suffix.lower() in HEIF else suffix


def _stem(name: str) -> str:
    return PurePath(name).with_suffix("").as_posix().casefold()
