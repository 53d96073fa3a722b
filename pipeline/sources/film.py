"""Frames of films, for cameras that make films: dash cams, drones, surveillance."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.errors import FilmError, SourceError
from pipeline.files import expanded
from pipeline.logs import Progress
from pipeline.sources.source import PhotoFile
from pipeline.video.formats import CONTAINERS, films_below, is_film

SCENE_S = 5.0  # frames of the same seconds are alike: all are for training, or all for testing


@dataclass(frozen=True, kw_only=True)
class Film:
    """Sharp, different frames of all films in these folders and their sub-folders, or of single films.

    every_s: seconds of which the sharpest frame is taken, if it differs from the one before.
    most_per_film: largest number of frames of one film; they come from all of it.
    """

    kind: Literal["film"]
    paths: list[str]
    every_s: float = 1.0
    most_per_film: int = 200

    def __post_init__(self) -> None:
        if not self.paths:
            raise ValueError("paths must name at least one folder or film")
        if not self.every_s > 0:
            raise ValueError(f"every_s must be above 0, not {self.every_s}")
        if self.most_per_film < 1:
            raise ValueError(f"most_per_film must be at least 1, not {self.most_per_film}")

    def fetch(self, workspace: Path, label: str) -> Iterator[PhotoFile]:
        """Yield frames, written as PNG into `workspace`, in the order of films and times.

        A film that cannot be read is yielded with its problem. Raises SourceError if there is none.
        """
        films = [(film, name) for path in self.paths for film, name in _films(expanded(path))]
        progress = Progress(label, sum(_frame_count(film) for film, _ in films), "frames of films")
        for number, (film, name) in enumerate(films):
            yield from self._frames(film, name, workspace / f"frames-{number:05d}", progress)

    def _frames(self, film: Path, name: str, folder: Path, progress: Progress) -> Iterator[PhotoFile]:
        from PIL import Image

        from pipeline.video.sampling import sampled_frames

        def seen() -> None:
            if progress.done < progress.total:  # headers may promise too few frames
                progress.update()

        folder.mkdir(parents=True, exist_ok=True)
        try:
            for frame in sampled_frames(film, self.every_s, self.most_per_film, seen):
                path = folder / f"{frame.time_s:010.3f}.png"
                Image.fromarray(frame.photo_hwc).save(path, compress_level=1)
                scene = f"{name} {int(frame.time_s / SCENE_S)}"
                yield PhotoFile(name=f"{name}/{path.name}", path=path, scene=scene)
        except FilmError as error:
            yield PhotoFile(name=name, path=film, problem=str(error))


def _frame_count(film: Path) -> int:
    from pipeline.video.reading import expected_frames

    try:
        return expected_frames(film)
    except FilmError:
        return 0


def _films(path: Path) -> list[tuple[Path, str]]:
    """Return the films of a folder, or the one film, each with its name."""
    if path.is_file() and is_film(path.name):
        return [(path, path.name)]
    if not path.is_dir():
        what = "is not a film" if path.exists() else "does not exist"
        raise SourceError(f"{path} {what}; correct source.paths in params.yaml")
    films = films_below(path)
    if not films:
        raise SourceError(f"folder {path} contains no film ({', '.join(CONTAINERS)}); put films there")
    return [(film, film.relative_to(path).as_posix()) for film in films]
