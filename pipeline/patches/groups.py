"""Groups of patches that are read together, from Parquet shards or from arrays in memory.

A row is one patch, or a pair of a patch and its truth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from pipeline.patches.shards import PHOTO_ID, PIXELS, TRUTH, Index, group_rows, pixels_nhwc, read_group

Pictures = tuple[np.ndarray, ...]  # uint8 patches_nhwc, one array per column: patches, and any truths


class Groups(Protocol):
    """Patches, or pairs of a patch and its truth, in groups."""

    @property
    def rows(self) -> Sequence[int]:
        """Patches in each group."""

    @property
    def columns(self) -> int:
        """Number of pictures per row: 1, or 2 for pairs."""

    def read(self, group: int) -> Pictures:
        """Read all pictures of one group."""

    def photos(self, group: int) -> Sequence[str]:
        """Return the id of the photo of each patch of one group."""


@dataclass(frozen=True, kw_only=True)
class ShardGroups:
    """The row groups of one split. Small, since it is sent to every task."""

    size_px: int
    places: tuple[tuple[str, int, int], ...]  # shard, row group, rows
    pictures: tuple[str, ...] = (PIXELS,)  # the columns to read

    @classmethod
    def of(cls, index: Index, split: str, *, paired: bool = False) -> "ShardGroups":
        """Return the groups of one split; with `paired`, of patches and their truths."""
        places = tuple(
            (place, group, rows)
            for shard in index.splits.get(split, ())
            for place in [shard.place(index.folder)]
            for group, rows in enumerate(shard.groups)
        )
        pictures = (PIXELS, TRUTH) if paired else (PIXELS,)
        return cls(size_px=index.size_px, places=places, pictures=pictures)

    @cached_property
    def rows(self) -> tuple[int, ...]:
        return tuple(rows for _, _, rows in self.places)

    @property
    def columns(self) -> int:
        return len(self.pictures)

    def read(self, group: int) -> Pictures:
        """Read all pictures of one group. Raises ShardError."""
        place, number, _ = self.places[group]
        table = read_group(place, number, self.pictures)
        return tuple(pixels_nhwc(table, self.size_px, picture) for picture in self.pictures)

    def photos(self, group: int) -> Sequence[str]:
        """Return the id of the photo of each patch of one group. Raises ShardError."""
        place, number, _ = self.places[group]
        return read_group(place, number, (PHOTO_ID,))[PHOTO_ID].to_pylist()


class ArrayGroups:
    """Arrays of patches_nhwc, divided into groups exactly like shards of the same patches.

    photos: id of the photo of each patch; None if each patch is from another photo.
    """

    def __init__(self, *pictures: np.ndarray, photos: Sequence[str] | None = None):
        self._pictures = pictures
        self._photos = [str(i) for i in range(len(pictures[0]))] if photos is None else photos
        self._group_rows = group_rows(pictures[0].shape[1])
        full, rest = divmod(len(pictures[0]), self._group_rows)
        self.rows = [self._group_rows] * full + [rest] * (rest > 0)
        self.columns = len(pictures)

    def read(self, group: int) -> Pictures:
        start = group * self._group_rows
        return tuple(patches[start : start + self._group_rows] for patches in self._pictures)

    def photos(self, group: int) -> Sequence[str]:
        start = group * self._group_rows
        return self._photos[start : start + self._group_rows]
