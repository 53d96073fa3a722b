"""Reads the photos of a comparison into memory, for training and scoring."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import PipelineError
from pipeline.patches.patches import Patches, cut, positions, reduced
from pipeline.photos.formats import photos_below
from pipeline.photos.images import read_photo
from wespe.histogram_match import HistogramMatch
from wespe.metrics.full_reference import is_degenerate

Pair = tuple[np.ndarray, np.ndarray]  # photo_hwc and its truth, of one shape
Aligned = tuple[list[np.ndarray], list[np.ndarray]]  # photos and their truths


@dataclass(frozen=True)
class Data:
    """Patches (n, s, s, 3) uint8 and aligned pairs for training, and aligned pairs for scoring.

    photos: the photo of each patch of source and target.
    whole: the whole photos of both, reduced to squares, (n, px, px, 3) uint8.
    """

    source: np.ndarray
    target: np.ndarray
    photos: tuple[Sequence[str], Sequence[str]]
    whole: tuple[np.ndarray, np.ndarray]
    pairs: Pair | None  # of patches
    whole_pairs: Pair | None  # of whole photos, reduced to squares
    tests: Sequence[Pair]
    yardstick: HistogramMatch


def read_data(
    patches: Patches,
    source: Sequence[Path],
    target: Sequence[Path],
    pairs: tuple[Path, Path] | None,
    tests: tuple[Path, Path],
) -> Data:
    """Read folders of photos. Raises PipelineError, PhotoError."""
    sources, targets = _photos(source), _photos(target)
    judged = [pair for pair in zip(*_aligned(*tests), strict=True) if not is_degenerate(*pair)]
    if not judged:
        raise PipelineError(
            f"every photo in {tests[0]} has a single colour and equals its truth; use other photos"
        )
    (source_patches, from_source), (target_patches, from_target) = (
        _cut(patches, photos) for photos in (sources, targets)
    )
    aligned = None if pairs is None else _aligned(*pairs)
    return Data(
        source=source_patches,
        target=target_patches,
        photos=(from_source, from_target),
        whole=(_reduced(sources.values()), _reduced(targets.values())),
        pairs=aligned and _cut_pairs(patches, *aligned),
        whole_pairs=aligned and (_reduced(aligned[0]), _reduced(aligned[1])),
        tests=judged,
        yardstick=HistogramMatch.fit(sources.values(), targets.values()),
    )


def _reduced(photos: Iterable[np.ndarray]) -> np.ndarray:
    return np.stack([reduced(photo) for photo in photos])


def _photos(folders: Sequence[Path]) -> dict[str, np.ndarray]:
    """Read folders; name photos by folder and file name without suffix.

    If 1.jpg and 1.png are in one folder, the second keeps its suffix, so that each has its own patches.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        for path in _paths(folder):
            name = path.relative_to(folder.resolve().parent)
            stem = name.with_suffix("").as_posix()
            found[stem if stem not in found else name.as_posix()] = path
    return {name: read_photo(path) for name, path in found.items()}


def _paths(folder: Path) -> list[Path]:
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise PipelineError(f"{folder} {problem}; give the path of a folder with photos")
    paths = photos_below(folder.resolve())
    if not paths:
        raise PipelineError(f"{folder} has no photos; give the path of a folder with photos")
    return paths


def _aligned(folder: Path, truths: Path) -> Aligned:
    """Match photos of two folders by their names without suffix."""
    first, second = _by_stem(folder), _by_stem(truths)
    names = sorted(first.keys() & second.keys())
    if not names:
        raise PipelineError(f"{folder} and {truths} have no name in common; name aligned photos alike")
    sides = [read_photo(first[name]) for name in names], [read_photo(second[name]) for name in names]
    for name, photo, truth in zip(names, *sides, strict=True):
        if photo.shape != truth.shape:
            raise PipelineError(
                f"{first[name]} and {second[name]} differ in size; a pair must be aligned pixel by pixel"
            )
    return sides


def _by_stem(folder: Path) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for path in _paths(folder):
        name = path.relative_to(folder.resolve()).with_suffix("").as_posix()
        if name in paths:
            raise PipelineError(
                f"{path} and {paths[name]} differ only in their suffix, so pairs are ambiguous; rename one"
            )
        paths[name] = path
    return paths


def _cut(patches: Patches, photos: Mapping[str, np.ndarray]) -> tuple[np.ndarray, list[str]]:
    """Return patches_nhwc, and the name of each patch's photo."""
    pieces = {
        name: cut(photo, places, patches.size_px)
        for name, photo in photos.items()
        if (places := positions(patches, name, photo.shape[1], photo.shape[0]))
    }
    if not pieces:
        raise PipelineError(f"every photo is smaller than a patch of {patches.size_px} px; lower --size-px")
    names = [name for name, piece in pieces.items() for _ in piece]
    return np.concatenate(list(pieces.values())), names


def _cut_pairs(patches: Patches, photos: list[np.ndarray], truths: list[np.ndarray]) -> Pair:
    sides = [{str(i): photo for i, photo in enumerate(side)} for side in (photos, truths)]
    return _cut(patches, sides[0])[0], _cut(patches, sides[1])[0]
