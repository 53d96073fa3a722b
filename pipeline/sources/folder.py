"""Photos from folders on this machine."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.errors import SourceError
from pipeline.files import expanded
from pipeline.photos.formats import FORMATS, is_photo, without_doubles
from pipeline.sources.source import PhotoFile
from pipeline.video.formats import is_film


@dataclass(frozen=True, kw_only=True)
class Folder:
    """All photos in these folders and their sub-folders; `~` is the home folder. Hidden files are skipped."""

    kind: Literal["folder"]
    paths: list[str]

    def __post_init__(self) -> None:
        if not self.paths:
            raise ValueError("paths must name at least one folder")

    def fetch(self, workspace: Path, label: str) -> Iterator[PhotoFile]:
        """Yield the photos of each folder, sorted by name, without copying them.

        Raises: SourceError if a folder is missing, unreadable or contains no photo.
        """
        for path in self.paths:
            yield from _photos(expanded(path))


def _photos(folder: Path) -> Iterator[PhotoFile]:
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise SourceError(f"folder {folder} {what}; correct source.paths in params.yaml")
    names = sorted(without_doubles(name for name in _file_names(folder) if is_photo(name)))
    if not names:
        if any(is_film(name) for name in _file_names(folder)):
            raise SourceError(f"folder {folder} contains films, and no photo; use `kind: film`")
        raise SourceError(f"folder {folder} contains no photo ({', '.join(FORMATS)}); put photos there")
    for name in names:
        yield PhotoFile(name=name, path=folder / name)


def _file_names(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder, onerror=_refuse, followlinks=False):
        for name in names:
            yield (Path(parent) / name).relative_to(folder).as_posix()


def _refuse(error: OSError) -> None:
    # By default, os.walk silently skips folders that it cannot read.
    reason = f"cannot be read ({error.strerror})"
    raise SourceError(f"folder {error.filename} {reason}; make it readable") from error
