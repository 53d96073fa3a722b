"""Plans which patches of which photos each shard will contain, before any photo is read.

So each shard can be written by a task of its own, on any machine, and its bytes never depend on which.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline import store
from pipeline.patches.manifest import Photo
from pipeline.patches.patches import Patches, number_of_positions
from pipeline.patches.shards import shard_rows

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Consecutive patches of one photo: numbers `start` to `end` of its positions."""

    photo_id: str
    width: int
    height: int
    places: tuple[str, ...]  # of the photo, and of its truth if there is one
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one shard of patches will contain."""

    folder: Path  # absolute
    split: str
    number: int
    settings: Patches
    parts: tuple[Part, ...]

    @property
    def file(self) -> str:
        return f"{self.split}/{self.number:05d}.parquet"


def shard_plans(
    photos: Sequence[Photo], photo_folder: Path, folder: Path, patches: Patches, *, paired: bool
) -> list[Plan]:
    """Return the plans of all shards of a set, in the order of the photos.

    folder: of the index that will list the shards, absolute.
    """
    rows = shard_rows(patches.size_px, paired=paired)
    return [
        Plan(folder=folder, split=split, number=number, settings=patches, parts=parts)
        for split in SPLITS
        for number, parts in enumerate(
            _shards([_all_of(p, photo_folder, patches, paired) for p in photos if p.split == split], rows)
        )
    ]


def _all_of(photo: Photo, folder: Path, patches: Patches, paired: bool) -> Part:
    files = (photo.path, photo.truth_path) if paired else (photo.path,)
    return Part(
        photo_id=photo.id,
        width=photo.width,
        height=photo.height,
        places=tuple(store.photo_place(folder, file) for file in files),
        start=0,
        end=number_of_positions(patches, photo.width, photo.height),
    )


def _shards(photos: Sequence[Part], rows: int) -> Iterator[tuple[Part, ...]]:
    """Divide the patches of all photos into shards of `rows` patches; the last one may have fewer."""
    parts: list[Part] = []
    room = rows
    for photo in photos:
        start = photo.start
        while start < photo.end:
            end = min(photo.end, start + room)
            parts.append(replace(photo, start=start, end=end))
            start, room = end, room - (end - start)
            if not room:
                yield tuple(parts)
                parts, room = [], rows
    if parts:
        yield tuple(parts)
