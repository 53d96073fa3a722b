"""Which files are films, by their suffix, and which codecs each container is written with."""

from dataclasses import dataclass
from pathlib import Path, PurePath

from pipeline.photos.formats import SYSTEM_FOLDERS

# FFmpeg's names of the containers.
CONTAINERS = {
    ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".avi": "avi", ".webm": "webm",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Codec:
    """An encoder of FFmpeg; at its `crf`, differences to the enhanced frames are hard to see."""

    encoder: str
    crf: int
    options: tuple[tuple[str, str], ...] = ()
    tag: str = ""  # in mp4 and mov; Apple's players only take this one


CODECS = {
    "h264": Codec(encoder="libx264", crf=18, options=(("preset", "medium"),)),
    "hevc": Codec(
        encoder="libx265",
        crf=20,
        options=(("preset", "medium"), ("x265-params", "log-level=none")),
        tag="hvc1",
    ),
    "av1": Codec(encoder="libsvtav1", crf=26, options=(("preset", "8"),)),
    "vp9": Codec(encoder="libvpx-vp9", crf=24, options=(("cpu-used", "4"), ("row-mt", "1"), ("b", "0"))),
}
WRITTEN = {
    "mp4": ("h264", "hevc", "av1", "vp9"),
    "mov": ("h264", "hevc"),
    "matroska": ("h264", "hevc", "av1", "vp9"),
    "avi": ("h264",),
    "webm": ("vp9", "av1"),
}


def is_film(name: str) -> bool:
    """Tell by the name whether a file is a film; hidden ones and those of system folders never are."""
    path = PurePath(name)
    hidden = any(part.startswith(".") and part not in (".", "..") for part in path.parts)
    system = any(part.lower() in SYSTEM_FOLDERS for part in path.parts)
    return not (hidden or system) and path.suffix.lower() in CONTAINERS


def films_below(folder: Path) -> list[Path]:
    """List the films in a folder and its sub-folders, sorted."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(folder / name for name in names if is_film(name))
