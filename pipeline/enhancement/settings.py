"""Which camera's model photos get by what their EXIF says."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Route:
    """Photos whose EXIF make and model match these patterns get `use`.

    make, model: as in EXIF, whatever the case; `*` stands for anything, also for nothing noted.
    use: a camera of params.yaml, whose champion it is, or a model's URI.
    """

    make: str = "*"
    model: str = "*"
    use: str

    def __post_init__(self) -> None:
        if not self.use:
            raise ValueError("use must name a camera, or a model such as models:/wespe-my-phone@champion")

    @property
    def camera(self) -> str:
        """The camera of params.yaml; '' where `use` is a model's URI or folder."""
        return "" if "/" in self.use else self.use
