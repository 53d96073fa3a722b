"""What the catalogue says of a public photo set: the keys of its TOML file."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal, get_args
from urllib.parse import unquote, urlsplit

CommercialUse = Literal["yes", "no", "unstated"]


@dataclass(frozen=True, kw_only=True)
class CatalogueFile:
    """One archive or photo of a set: its `url`, or its `name` if only a user can download it.

    bytes, sha256: only where they are really known.
    """

    url: str = ""
    name: str = ""
    mirrors: list[str] = field(default_factory=list)
    sha256: str = ""
    bytes: int = 0

    def __post_init__(self) -> None:
        if bool(self.url) == bool(self.name):
            raise ValueError("a file needs either url or, in a set that is downloaded by hand, name")

    @property
    def file_name(self) -> str:
        return self.name or PurePosixPath(unquote(urlsplit(self.url).path)).name


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a set that can be used by its own, such as one camera's photos.

    members: patterns of its photos in the archives, or in the folder of a set that is downloaded by hand.
    photos: their number; 0 if unknown. about: the number is rounded.
    truth: the part with the same scenes by a better camera. split: the part's place in the official split.
    drop_ending: the end of the photos' names that is left out, so that they equal those of the truth.
    """

    files: list[CatalogueFile] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    photos: int = 0
    about: bool = False
    shows: str = ""
    split: str = ""
    truth: str = ""
    drop_ending: str = ""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A public photo set.

    licence: one word. commercial_use: whether a model learned from it may earn money, as far as is stated.
    terms: what a user must accept. manual: how to download it by hand, if the project cannot.
    gigabytes: the size of all downloads; 0 if unknown. unchecked: facts that could not be checked.
    photos: the number of all photos; 0 for the sum over the parts. about: the number is rounded.
    """

    name: str  # of the file, without .toml
    title: str
    shows: str
    home: str
    licence: str
    licence_url: str
    commercial_use: CommercialUse
    citation: str
    parts: dict[str, Part]
    terms: str = ""
    manual: str = ""
    gigabytes: float = 0
    photos: int = 0
    about: bool = False
    unchecked: str = ""

    def __post_init__(self) -> None:
        if self.commercial_use not in get_args(CommercialUse):
            raise ValueError(f"commercial_use must be one of {', '.join(get_args(CommercialUse))}")
        if not self.parts:
            raise ValueError("parts must have at least one part")
        for name, part in self.parts.items():
            if part.truth and part.truth not in self.parts:
                raise ValueError(f"parts.{name}.truth: there is no part {part.truth!r}")
            if not self.manual and not all(file.url for file in part.files or [CatalogueFile(name="none")]):
                raise ValueError(f"parts.{name}.files: needs files with a url, or the set needs `manual`")

    @property
    def all_photos(self) -> int:
        """The number of photos, as far as it is known; 0 if it is not."""
        return self.photos or sum(part.photos for part in self.parts.values())

    @property
    def rounded(self) -> bool:
        """Whether that number is rounded, or leaves parts out."""
        of_parts = any(part.about or not part.photos for part in self.parts.values())
        return self.about or (not self.photos and of_parts)
