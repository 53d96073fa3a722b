"""Photos in files on the web: archives, of which a filter may choose some photos, or single photos."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.photos.formats import FORMATS, is_photo
from pipeline.sources.archives import ARCHIVES, is_archive, unpack
from pipeline.sources.source import PhotoFile
from pipeline.sources.web_files import WebFile, download_files


@dataclass(frozen=True, kw_only=True)
class HttpFile(WebFile):
    """One archive or photo.

    sha256: 64 hexadecimal digits, which the file must match. mirrors: other addresses of the same file, tried
    in turn if the first one fails.

    members: patterns of the photos to take from an archive, such as `train/*.png`; `*` also matches slashes.
    """

    members: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (is_archive(self.name) or is_photo(self.name)):
            raise ValueError(f"url must end in {', '.join((*ARCHIVES, *FORMATS))}")
        if self.members and not is_archive(self.name):
            raise ValueError("members choose photos from an archive, but url is a photo; remove them")


def fetch_web_photos(files: Sequence[HttpFile], workspace: Path, label: str) -> Iterator[PhotoFile]:
    """Download all files, then unpack the archives; yield the photos in order. Raises: SourceError."""
    for file, path in zip(files, download_files(files, workspace, label), strict=True):
        yield from _photos(file, path)


def _photos(file: HttpFile, path: Path) -> list[PhotoFile]:
    if not is_archive(file.name):
        return [PhotoFile(name=file.name, path=path)]
    try:
        return unpack(path, file.name, members=file.members)
    except SourceError:
        path.unlink()  # so that the next run downloads the corrected archive
        raise
