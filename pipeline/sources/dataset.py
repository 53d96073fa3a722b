"""Public photo sets by name. The catalogue (pipeline/catalogue) says where each set's photos are."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from pipeline.catalogue.entry import CatalogueFile, Entry, Part
from pipeline.catalogue.lookup import catalogue, find_entry, find_part
from pipeline.errors import SourceError
from pipeline.files import expanded
from pipeline.layout import MANUAL_DOWNLOADS
from pipeline.sources.archives import is_wanted, unpack
from pipeline.sources.source import PhotoFile
from pipeline.sources.web_files import sha256_of
from pipeline.sources.web_photos import HttpFile, fetch_web_photos

LEAST_SHARE = 0.9  # of a rounded number of photos: fewer are taken for an incomplete download


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A public photo set by name; `wespe datasets` lists all of them.

    part: a part of the set; it may be left out if the set has only one.
    folder: where you have put a set that must be downloaded by hand; '' for data/manual/NAME.
    """

    kind: Literal["dataset"]
    name: str
    part: str = ""
    folder: str = ""

    def __post_init__(self) -> None:
        try:
            entry, part = self.described()
            self._web_files(part)  # reports wrong addresses here, before any download
        except SourceError as error:
            raise ValueError(str(error)) from None
        if self.folder and not entry.manual:
            raise ValueError(
                f"folder is only for sets that are downloaded by hand; remove it for {self.name}"
            )

    def described(self) -> tuple[Entry, Part]:
        """Return what the catalogue says of the set and of the part. Raises SourceError."""
        entry = find_entry(self.name)
        return entry, find_part(entry, self.part)[1]

    def _web_files(self, part: Part) -> list[HttpFile]:
        """Return the files that can be downloaded. Raises SourceError if the catalogue is wrong about one."""
        try:
            return [
                HttpFile(url=file.url, mirrors=file.mirrors, sha256=file.sha256, members=part.members)
                for file in part.files
                if file.url
            ]
        except ValueError as error:
            raise SourceError(f"{catalogue()[self.name]}: {error}") from None

    def fetch(self, workspace: Path, label: str) -> Iterator[PhotoFile]:
        """Download the part's photos, or take them from the user's folder, and check their number.

        Raises: SourceError.
        """
        entry, part = self.described()
        folder = expanded(self.folder) if self.folder else MANUAL_DOWNLOADS / self.name
        try:
            if entry.manual:
                found = _given(folder, entry, part, workspace)
            else:
                found = list(fetch_web_photos(self._web_files(part), workspace, label))
            _check_count(found, part)
        except SourceError as error:
            where = catalogue()[self.name]
            raise SourceError(f"data set {self.name}: {error} ({entry.home}; described in {where})") from None
        yield from (_renamed(one, part.drop_ending) for one in found)


def _given(folder: Path, entry: Entry, part: Part, workspace: Path) -> list[PhotoFile]:
    """Return the photos of a set that was downloaded by hand: from its archives, or unpacked ones."""
    if not folder.is_dir():
        raise SourceError(f"{entry.manual}; then put it into the folder {folder}, which does not exist yet")
    archives = [folder / file.file_name for file in part.files]
    if archives and all(path.is_file() for path in archives):
        return [one for file in part.files for one in _unpacked(folder, file, part, workspace)]
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    found = [PhotoFile(name=name, path=folder / name) for name in names if is_wanted(name, part.members)]
    if not found:
        wanted = ", ".join([*(path.name for path in archives), *part.members])
        raise SourceError(f"the folder {folder} contains none of {wanted}; {entry.manual}; then put it there")
    return found


def _unpacked(folder: Path, file: CatalogueFile, part: Part, workspace: Path) -> Iterable[PhotoFile]:
    path = folder / file.file_name
    if file.bytes and path.stat().st_size != file.bytes:
        raise SourceError(f"{path} has {path.stat().st_size} bytes, not {file.bytes}; download it again")
    if file.sha256 and (digest := sha256_of(path)) != file.sha256:
        raise SourceError(f"{path} has sha256 {digest}, not {file.sha256}; download it again")
    return unpack(path, file.file_name, members=part.members, folder=workspace / f"{path.name}.unpacked")


def _check_count(found: list[PhotoFile], part: Part) -> None:
    """Raise SourceError if photos are missing, or if there are others than those of the part."""
    if part.about and len(found) < LEAST_SHARE * part.photos:
        raise SourceError(f"only {len(found)} of about {part.photos} photos are there; complete the download")
    if part.photos and not part.about and len(found) != part.photos:
        raise SourceError(
            f"{len(found)} photos are there, not {part.photos}; complete the download, or remove what"
            " does not belong to it"
        )


def _renamed(photo: PhotoFile, ending: str) -> PhotoFile:
    name = PurePosixPath(photo.name)
    return replace(photo, name=str(name.with_name(name.stem.removesuffix(ending) + name.suffix)))
