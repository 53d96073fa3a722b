"""Chooses the names of results: the photo's name, with a number if two would be equal.

An iPhone's IMG_1.HEIC next to IMG_1.jpg becomes IMG_1-2.jpg. Names that differ only in case or in Unicode
normalisation count as equal, as on many file systems.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from pipeline.enhancement.inputs import InputPhoto
from pipeline.enhancement.ledger import Entry
from pipeline.enhancement.one_photo import Settings
from pipeline.files import numbered


def with_unique_names(found: Sequence[InputPhoto]) -> list[InputPhoto]:
    """Number photos with equal names, from two folders whose contents are merged."""
    taken: set[str] = set()
    unique = []
    for one in found:
        name = next(name for name in numbered(one.photo) if name not in taken)
        taken.add(name)
        unique.append(replace(one, photo=name))
    return unique


def result_names(photos: Sequence[str], settings: Settings, entries: Mapping[str, Entry]) -> dict[str, str]:
    """Choose a unique result name for each photo.

    A photo keeps the name of its earlier result in the ledger. Of the others, photos that keep their format
    come first.
    """
    wanted = {photo: settings.renamed(photo) for photo in photos}
    earlier = {_kept(wanted[photo], entries.get(photo)): photo for photo in photos}
    names = {photo: name for name, photo in earlier.items() if name}
    taken = set(map(_folded, names.values()))
    for photo in sorted((one for one in photos if one not in names), key=lambda one: wanted[one] != one):
        names[photo] = next(name for name in numbered(wanted[photo]) if _folded(name) not in taken)
        taken.add(_folded(names[photo]))
    return names


def _kept(wanted: str, entry: Entry | None) -> str:
    """Return the name of a photo's earlier result if it is still possible, else ''."""
    if entry is None or not entry.result:
        return ""
    stem, suffix = wanted[: len(wanted) - len(PurePosixPath(wanted).suffix)], PurePosixPath(wanted).suffix
    number = entry.result.removeprefix(f"{stem}-").removesuffix(suffix)
    return entry.result if entry.result == wanted or number.isdecimal() else ""


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
