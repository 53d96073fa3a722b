"""Summarises the photos that a model was trained and tested on: counts by split, size and source."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pipeline.layout import MANIFEST, photo_set
from pipeline.patches.manifest import Photo, accepted, read_manifest
from pipeline.patches.settings import SplitName

LISTED = 8


@dataclass(frozen=True, kw_only=True)
class Split:
    name: str
    photos: int
    with_truth: int
    megapixels: float


@dataclass(frozen=True, kw_only=True)
class Ingredients:
    """One set of photos. sizes, sources, rejected: texts and their counts, most frequent first."""

    name: str
    role: str
    photos: int
    bytes: int
    splits: list[Split]
    sizes: list[tuple[str, int]]
    sources: list[tuple[str, int]]
    rejected: list[tuple[str, int]]


def ingredients(address: str, role: str) -> Ingredients | None:
    """Summarise a manifest; None if the photos are not on this machine. Raises SourceError."""
    folder = photo_set(address).photos
    if not (folder / MANIFEST).exists():
        return None
    every = read_manifest(folder)
    photos = accepted(every)
    return Ingredients(
        name=address.partition(".")[2],
        role=role,
        photos=len(photos),
        bytes=sum(photo.bytes for photo in photos),
        splits=[_split(name, photos) for name in get_args(SplitName)],
        sizes=_counts(f"{photo.width} × {photo.height} px" for photo in photos),
        sources=_counts(map(_source, photos)),
        rejected=_counts(photo.reject_reason for photo in every if photo.reject_reason),
    )


def _split(name: str, photos: list[Photo]) -> Split:
    chosen = [photo for photo in photos if photo.split == name]
    return Split(
        name=name,
        photos=len(chosen),
        with_truth=sum(bool(photo.truth_path) for photo in chosen),
        megapixels=sum(photo.width * photo.height for photo in chosen) / 1e6,
    )


def _source(photo: Photo) -> str:
    """Return a photo's origin: the camera in its EXIF, or else its folder."""
    camera = " ".join(filter(None, (photo.make, photo.model)))
    folder = str(Path(photo.name).parent)
    return camera or (f"{folder}/" if folder != "." else "camera unknown")


def _counts(texts: Iterable[str]) -> list[tuple[str, int]]:
    """Count texts; return the most frequent ones, and the total of the others."""
    counts = Counter(texts).most_common()
    rest = counts[LISTED:]
    others = [(f"{len(rest)} others", sum(count for _, count in rest))] if rest else []
    return counts[:LISTED] + others
