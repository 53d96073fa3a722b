"""Score folders of photos with a rater, on the same crops of a photo and of its enhanced versions."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PhotoError
from pipeline.evaluation.gains import interval_text
from pipeline.files import write_atomically
from pipeline.logs import Progress
from pipeline.models.rater_folder import Accuracy, LoadedRater, crop_seed
from pipeline.photos.formats import photos_below
from pipeline.photos.images import read_photo
from wespe.metrics.interval import Interval, mean_interval
from wespe.rater import cut_crops


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores (0–1) by folder, in the order of `photos`; the first folder has the originals."""

    accuracy: Accuracy
    rater_sha256: str
    photos: list[str]
    folders: dict[str, list[float]]
    left_out: dict[str, str]  # photo → reason

    def __str__(self) -> str:
        wide = max(len(folder) for folder in self.folders)
        first = next(iter(self.folders))
        lines = [f"{'':{wide}}  FFS [95 % interval]    change  [95 % interval]    accuracy of the rater"]
        for folder in self.folders:
            change = "" if folder == first else _figures(self.change(folder), "+")
            lines.append(f"{folder:{wide}}  {_figures(self.mean(folder)):21}  {change:24}  {self.accuracy}")
        lines.append(f"{len(self.photos)} photos; {self.accuracy.in_words}")
        lines += [f"left out: {reason}" for reason in self.left_out.values()]
        return "\n".join(lines)

    def mean(self, folder: str) -> Interval:
        """Return the mean score of a folder, with its interval."""
        return mean_interval(self.folders[folder])

    def change(self, folder: str) -> Interval:
        """Return the mean difference from the originals, photo by photo, with its interval."""
        originals = next(iter(self.folders.values()))
        pairs = zip(self.folders[folder], originals, strict=True)
        return mean_interval([score - original for score, original in pairs])

    def write(self, path: Path) -> None:
        """Write everything and the intervals as JSON."""
        content: dict[str, Any] = dataclasses.asdict(self)
        content["mean"] = {folder: self.mean(folder) for folder in self.folders}
        content["change"] = {folder: self.change(folder) for folder in list(self.folders)[1:]}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(content, indent=2).encode() + b"\n")


def score_folders(trained: LoadedRater, folders: Sequence[Path]) -> Scores:
    """Score the photos of the first folder, and those of the same names in the others.

    A photo that cannot be scored in one folder is left out of all, with its reason.
    Raises: PhotoError if a name is missing in a folder, or no photo is left.
    """
    found = [_photos(folder) for folder in folders]
    for folder, photos in zip(folders, found, strict=True):
        if missing := sorted(found[0].keys() - photos.keys()):
            raise PhotoError(f"{folder} has no photo {missing[0]}, which {folders[0]} has; enhance it too")
    scores: dict[str, list[float]] = {}
    left_out = {}
    progress = Progress("rate", len(found[0]), "photos")
    for name in sorted(found[0]):
        try:
            scores[name] = _score(trained, name, [photos[name] for photos in found])
        except (PhotoError, ValueError) as error:
            left_out[name] = str(error)
        progress.update()
    if not scores:
        raise PhotoError(f"no photo can be scored; the first: {next(iter(left_out.values()))}")
    columns = zip(*scores.values(), strict=True)
    return Scores(
        accuracy=trained.accuracy,
        rater_sha256=trained.config["weights_sha256"],
        photos=list(scores),
        folders={str(folder): list(column) for folder, column in zip(folders, columns, strict=True)},
        left_out=left_out,
    )


def _score(trained: LoadedRater, name: str, paths: Sequence[Path]) -> list[float]:
    photos = [read_photo(path) for path in paths]
    config, scores = trained.rater.config, []
    for path, photo_hwc in zip(paths, photos, strict=True):
        if photo_hwc.shape != photos[0].shape:
            raise PhotoError(
                f"{path} and {paths[0]} differ in size, so their crops cannot be compared; "
                "enhance the photo at its full size"
            )
        try:
            crops = cut_crops(photo_hwc, config, config.crops, crop_seed(name))
        except ValueError as error:
            raise PhotoError(f"{path}: {error}") from None
        scores.append(trained.rater.rate(crops))
    return scores


def _photos(folder: Path) -> dict[str, Path]:
    """Return the photos in or below `folder` by relative name without suffix."""
    if not folder.is_dir():
        raise PhotoError(f"{folder}: no such folder; name one that holds photos")
    photos: dict[str, Path] = {}
    for path in filter(Path.is_file, photos_below(folder)):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in photos:
            raise PhotoError(f"{path} and {photos[name]} have the same name; rename or remove one of them")
        photos[name] = path
    if not photos:
        raise PhotoError(f"{folder}: no photo in it or below it; name a folder with photos")
    return photos


def _figures(interval: Interval, sign: str = "") -> str:
    return f"{interval['mean']:{sign}.3f} {interval_text(interval, 3, sign)}"
