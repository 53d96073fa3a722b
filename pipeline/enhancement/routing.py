"""Which model a photo gets: the one named, or the one for the camera in its EXIF."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pipeline.photos.headers import Header

AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class Route:
    """Photos whose EXIF make and model match these patterns get `use`.

    make, model: as in EXIF, ignoring case; `*` matches anything, also a missing entry.
    use: a camera of params.yaml, for its champion, or a model's URI.
    """

    make: str = "*"
    model: str = "*"
    use: str

    def __post_init__(self) -> None:
        if not self.use:
            raise ValueError("use must name a camera, or a model such as models:/wespe-my-phone@champion")

    @property
    def camera(self) -> str:
        """The camera of params.yaml; '' if `use` is a model's URI or folder."""
        return "" if "/" in self.use else self.use

    def matches(self, header: Header) -> bool:
        pairs = ((header.make, self.make), (header.model, self.model))
        return all(fnmatchcase(found.casefold(), wanted.casefold()) for found, wanted in pairs)


@dataclass(frozen=True, kw_only=True)
class Router:
    """The first route that matches decides; `fixed`, if given, is for every photo."""

    fixed: str = ""
    routes: Sequence[Route] = ()

    def choose(self, header: Header) -> str:
        """The model's URI; '' if no route matches."""
        if self.fixed:
            return self.fixed
        route = next((route for route in self.routes if route.matches(header)), None)
        if route is None:
            return ""
        return f"models:/wespe-{route.camera}@champion" if route.camera else route.use
