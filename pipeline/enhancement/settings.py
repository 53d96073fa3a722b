"""Settings of the routes: which model enhances photos of which camera."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Route:
    """Photos whose EXIF make and model match these patterns are enhanced with `use`.

    make, model: patterns for the values in EXIF, ignoring case; `*` matches anything, including no value.
    use: a camera in params.yaml, whose champion is used, or a model URI.
    """

    make: str = "*"
    model: str = "*"
    use: str

    def __post_init__(self) -> None:
        if not self.use:
            raise ValueError("use must be a camera, or a model such as models:/wespe-my-phone@champion")

    @property
    def camera(self) -> str:
        """The camera in params.yaml; '' if `use` is a model URI or folder."""
        return "" if "/" in self.use else self.use
