"""The names of results: those of their photos, and numbered where two would be the same.

An iPhone's IMG_1.HEIC beside IMG_1.jpg becomes IMG_1-2.jpg. Names that differ only by case, or by composed
and decomposed letters, count as the same, since they are for many file systems.
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
    """Number photos of the same name, from two folders whose contents are merged."""
    taken: set[str] = set()
    unique = []
    for one in found:
        name = next(name for name in numbered(one.photo) if name not in taken)
        taken.add(name)
        unique.append(replace(one, photo=name))
    return unique


def result_names(photos: Sequence[str], settings: Settings, entries: Mapping[str, Entry]) -> dict[str, str]:
    """Choose each photo's result, no two of them the same.

    A photo keeps the name that its earlier result has, by the ledger. The others choose after that: first
    those that keep their format.
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
    """The name of a photo's earlier result, if it is one that the photo could get now; '' else."""
    if entry is None or not entry.result:
        return ""
    stem, suffix = wanted[: len(wanted) - len(PurePosixPath(wanted).suffix)], PurePosixPath(wanted).suffix
    number = entry.result.removeprefix(f"{stem}-").removesuffix(suffix)
    return entry.result if entry.result == wanted or number.isdecimal() else ""


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
