"""Matches photos of two folders by name, and makes the photos of a pair comparable."""

from pathlib import Path

from PIL import Image

from pipeline.errors import PipelineError
from pipeline.photos.formats import photos_below
from pipeline.photos.images import read_photo

STRETCH = 0.01  # allowed relative difference of aspect ratios, which rounding to whole pixels can cause


def pairs_by_name(first: Path, second: Path) -> dict[str, tuple[Path, Path]]:
    """Match photos by path without suffix, since enhanced photos may have another; return them sorted.

    Raises PipelineError for ambiguous names, or if no name matches.
    """
    ones, others = _photos(first), _photos(second)
    names = sorted(ones.keys() & others.keys())
    if not names:
        raise PipelineError(f"{first} and {second} have no name in common; give pairs the same names")
    return {name: (ones[name], others[name]) for name in names}


def _photos(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise PipelineError(f"{folder}: no such folder; name two folders of photos")
    found: dict[str, Path] = {}
    for path in photos_below(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise PipelineError(f"{path} and {found[name]} have the same name; remove or rename one of them")
        found[name] = path
    return found


def read_alike(first: Path, second: Path, side_px: int = 0) -> tuple[Image.Image, Image.Image]:
    """Read two photos at the size of the smaller one, and at most `side_px` wide and high if given.

    Raises PhotoError, and PipelineError if their aspect ratios differ.
    """
    photos = [Image.fromarray(read_photo(path)) for path in (first, second)]
    shapes = [photo.width / photo.height for photo in photos]
    if abs(shapes[0] / shapes[1] - 1) > STRETCH:
        sizes = [f"{photo.width} × {photo.height}" for photo in photos]
        raise PipelineError(
            f"{first} is {sizes[0]} px, {second} {sizes[1]}; a pair must have the same aspect ratio"
        )
    smaller = min(photos, key=lambda photo: photo.width)
    scale = min(1.0, side_px / max(smaller.size)) if side_px else 1.0
    size = (max(1, round(smaller.width * scale)), max(1, round(smaller.height * scale)))
    one, other = (p if p.size == size else p.resize(size, Image.Resampling.LANCZOS) for p in photos)
    return one, other
