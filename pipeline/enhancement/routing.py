"""Chooses the model for a photo: a fixed one, or by the camera in its EXIF."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pipeline.enhancement.settings import Route

if TYPE_CHECKING:  # it imports torch, and `wespe` reports wrong names before that
    from pipeline.photos.headers import Header

AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class Router:
    """Chooses by the first matching route; `fixed`, if given, is used for every photo."""

    fixed: str = ""
    routes: Sequence[Route] = ()

    def choose(self, header: "Header") -> str:
        """Return the model's URI; '' if no route matches."""
        if self.fixed:
            return self.fixed
        route = next((route for route in self.routes if _matches(route, header)), None)
        if route is None:
            return ""
        return f"models:/wespe-{route.camera}@champion" if route.camera else route.use


def _matches(route: Route, header: "Header") -> bool:
    pairs = ((header.make, route.make), (header.model, route.model))
    return all(fnmatchcase(value.casefold(), pattern.casefold()) for value, pattern in pairs)
