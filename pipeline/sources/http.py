"""Photos over http(s): archives or single photos, with resumed downloads and an optional SHA-256."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.sources.source import PhotoFile
from pipeline.sources.web_photos import HttpFile, fetch_web_photos


@dataclass(frozen=True, kw_only=True)
class Http:
    """Archives (zip, tar, tar.gz, tgz) or photos; passwords come from ~/.netrc."""

    kind: Literal["http"]
    urls: list[HttpFile]

    def __post_init__(self) -> None:
        if not self.urls:
            raise ValueError("urls must name at least one file")
        if len({file.url for file in self.urls}) < len(self.urls):
            raise ValueError("urls must not contain a URL twice")

    def fetch(self, workspace: Path, label: str) -> Iterator[PhotoFile]:
        """Download everything, then unpack. Raises: SourceError."""
        yield from fetch_web_photos(self.urls, workspace, label)
