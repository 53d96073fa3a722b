"""Where enhanced photos go if nobody says: beside their originals, and never over one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import EnhancementError
from pipeline.photos.formats import FORMATS, HEIF, RAW, written_as
from pipeline.photos.headers import software

MARK = "-enhanced"
NOTE = re.compile(r"wespe \S+ (?P<model>[0-9a-f]{12}), strength")  # as one_photo.py writes it


@dataclass(frozen=True, kw_only=True)
class Work:
    """A photo and the file that it becomes, or a folder and the folder."""

    source: Path
    destination: Path
    is_folder: bool


def plan(sources: Sequence[Path], out: Path | None = None, format: str = "") -> list[Work]:
    """Choose a destination for each photo and folder; results of before among them are left out.

    out: a folder for all of them, or the file that a single photo becomes.
    format: a suffix without its dot, for photos; '': each its own.
    Raises EnhancementError where something would be lost, or cannot be read.
    """
    work = []
    for source in dict.fromkeys(sources):
        _check(source)
        if out is None and is_result(source):
            continue
        destination = _destination(source, out, len(sources) == 1, format)
        work.append(Work(source=source, destination=destination, is_folder=source.is_dir()))
    _keep_apart(work)
    for one in work:
        if not one.is_folder:
            _keep_others(one.destination)
    return work


def is_result(photo: Path) -> bool:
    """Tell a photo that this module named and wespe made."""
    return photo.stem.endswith(MARK) and photo.is_file() and is_ours(photo)


def _check(source: Path) -> None:
    known = ", ".join((*FORMATS, *sorted(HEIF)))
    if source.is_dir():
        return
    if not source.is_file():
        raise EnhancementError(f"{source}: no such photo or folder; correct its name")
    if source.suffix.lower() in RAW:
        raise EnhancementError(
            f"{source}: RAW is not read; develop it to TIFF or JPEG first, with darktable, RawTherapee or "
            "your camera's program, and enhance that"
        )
    if source.suffix.lower() not in FORMATS.keys() | HEIF:
        raise EnhancementError(f"{source}: no photo by its name; known are {known}")


def _destination(source: Path, out: Path | None, alone: bool, format: str) -> Path:
    if source.is_dir():
        folder = source if source.name not in ("", "..") else source.resolve()
        if out is None:
            return folder.with_name(folder.name + MARK)
        return out if alone else out / folder.name
    suffix = f".{format}" if format else written_as(source.suffix)
    if out is None:
        return source.with_name(f"{source.stem}{MARK}{suffix}")
    if alone and out.suffix.lower() in FORMATS and not out.is_dir():
        if format and FORMATS.get(suffix) not in (None, FORMATS[out.suffix.lower()]):
            raise EnhancementError(f"{out}: is no name for {format}; change it, or leave --format out")
        return out
    if out.is_file():
        raise EnhancementError(
            f"{out}: is a file, and no photo by its name; name a folder, or a photo to write"
        )
    return out / f"{source.stem}{suffix}"


def _keep_apart(work: Sequence[Work]) -> None:
    sources = {one.source.resolve() for one in work}
    taken: dict[Path, Path] = {}
    for one in work:
        destination = one.destination.resolve()
        if destination in sources:
            raise EnhancementError(
                f"{one.destination}: would replace an original; name another place with -o"
            )
        if other := taken.get(destination):
            raise EnhancementError(
                f"{one.source} and {other} would both become {one.destination}; enhance one after the other"
            )
        taken[destination] = one.source


def _keep_others(destination: Path) -> None:
    """A result may replace one of before, and nothing else."""
    if destination.is_dir() or (destination.exists() and not is_ours(destination)):
        raise EnhancementError(
            f"{destination}: is there already, and not marked as wespe's; remove it, or name another with -o"
        )


def is_ours(photo: Path | BinaryIO) -> bool:
    """Whether its EXIF says that wespe made it."""
    return bool(maker(photo))


def maker(photo: Path | BinaryIO) -> str:
    """The beginning of the sha256 of the model that made it, as its EXIF says; '' if it is not wespe's."""
    noted = NOTE.search(software(photo))
    return noted["model"] if noted else ""
