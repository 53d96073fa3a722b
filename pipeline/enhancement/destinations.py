"""Chooses the files for single enhanced photos: next to their originals by default, never replacing them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import EnhancementError
from pipeline.files import check_writable, file_name, numbered
from pipeline.photos.formats import FORMATS, READ, written_as
from pipeline.video.formats import CONTAINERS, is_film

MARK = "-enhanced"
NOTE = re.compile(r"wespe \S+ (?P<model>[0-9a-f]{12}), strength")  # written by one_photo.py


@dataclass(frozen=True, kw_only=True)
class Work:
    """A photo or film and the file for its result, or a folder and the folder for its results."""

    source: Path
    destination: Path
    is_folder: bool

    @property
    def is_film(self) -> bool:
        return not self.is_folder and is_film(self.source.name)


def plan(sources: Sequence[Path], out: Path | None = None, format: str = "") -> list[Work]:
    """Choose a destination for each photo and folder; skip results of earlier runs.

    out: a folder for all results, or the file for a single photo.
    format: the suffix of results without the dot; '' keeps each photo's format.
    Raises EnhancementError if a file would be overwritten, or cannot be read or written.
    """
    work = list[Work]()
    for source in {source.absolute(): source for source in sources}.values():
        _check(source)
        if out is None and is_result(source):
            continue
        destination = _destination(source, out, len(sources) == 1, format)
        work.append(Work(source=source, destination=destination, is_folder=source.is_dir()))
    work = _numbered(work)
    _keep_originals(work)
    for one in work:
        check_writable(one.destination.parent)
        if not one.is_folder:
            keep_others(one.destination)
    return work


def is_result(photo: Path) -> bool:
    """Tell whether a photo or film is a result of wespe, with a name chosen by this module."""
    return photo.stem.endswith(MARK) and photo.is_file() and is_ours(photo)


def _check(source: Path) -> None:
    supported = ", ".join((*FORMATS, *sorted(READ - FORMATS.keys()), *CONTAINERS))
    if source.is_dir():
        return
    if not source.is_file():
        raise EnhancementError(f"{source}: no such photo or folder; correct its name")
    if source.suffix.lower() not in READ | CONTAINERS.keys():
        raise EnhancementError(f"{source}: unsupported format; supported are {supported}")


def _destination(source: Path, out: Path | None, alone: bool, format: str) -> Path:
    if source.is_dir():
        folder = source if source.name not in ("", "..") else source.resolve()
        if out is None:
            return folder.with_name(folder.name + MARK)
        return out if alone else out / folder.name
    film = source.suffix.lower() in CONTAINERS
    known = CONTAINERS if film else FORMATS
    suffix = f".{format}" if format and not film else written_as(source.suffix)
    if out is None:
        return source.with_name(file_name(source.stem, MARK + suffix))
    if alone and out.suffix.lower() in known and not out.is_dir():
        if format and not film and FORMATS.get(suffix) not in (None, FORMATS[out.suffix.lower()]):
            raise EnhancementError(f"{out}: its suffix contradicts --format {format}; change one of them")
        return out
    if out.is_file():
        raise EnhancementError(f"{out}: is an existing file and not a photo; name a folder or a photo file")
    return out / file_name(source.stem, suffix)


def _numbered(work: Sequence[Work]) -> list[Work]:
    """Number equal destinations: IMG_1.HEIC next to IMG_1.jpg becomes IMG_1-enhanced-2.jpg."""
    taken: dict[Path, Path] = {}
    # Photos that keep their format come first.
    for one in sorted(work, key=lambda one: one.source.suffix.lower() != one.destination.suffix.lower()):
        names = numbered(one.destination.name)
        taken[next(p for n in names if (p := one.destination.with_name(n)) not in taken)] = one.source
    chosen = {source: destination for destination, source in taken.items()}
    return [replace(one, destination=chosen[one.source]) for one in work]


def _keep_originals(work: Sequence[Work]) -> None:
    sources = {one.source.resolve() for one in work}
    for one in work:
        if one.destination.resolve() in sources:
            raise EnhancementError(
                f"{one.destination}: would replace an original; choose another destination with -o"
            )


def keep_others(destination: Path) -> None:
    """Raise EnhancementError unless the destination is free or contains an earlier result."""
    if destination.is_dir() or (destination.exists() and not is_ours(destination)):
        raise EnhancementError(
            f"{destination}: exists already and was not made by wespe; remove it, or choose another "
            "destination with -o"
        )


def is_ours(photo: Path | BinaryIO) -> bool:
    """Tell from its EXIF, or a film's comment, whether a photo was made by wespe."""
    return bool(maker(photo))


def maker(photo: Path | BinaryIO) -> str:
    """Return the first digits of the model's SHA-256 from EXIF; '' if the photo was not made by wespe."""
    from pipeline.photos.headers import software  # imports torch, which takes seconds

    if isinstance(photo, Path) and is_film(photo.name):
        from pipeline.films.about import note_of

        text = note_of(photo)
    else:
        text = software(photo)
    note = NOTE.search(text)
    return note["model"] if note else ""
