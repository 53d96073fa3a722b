"""The manifest: a table of a camera's or target's photos, their properties and reasons for rejection."""

import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import SourceError
from pipeline.files import write_atomically
from pipeline.layout import MANIFEST
from pipeline.patches.settings import SplitName


@dataclass(frozen=True, kw_only=True)
class Photo:
    """One row. Paths are relative to the photos folder; text is '' if unknown."""

    id: str  # first 32 hex digits of the SHA-256 of the file's bytes
    name: str  # relative to the source
    path: str = ""  # '' if rejected
    truth_path: str = ""  # the same scene from the better camera; '' if there is none
    bytes: int
    width: int = 0  # px, after applying the EXIF orientation; 0 if rejected
    height: int = 0
    make: str = ""
    model: str = ""
    taken_at: str = ""  # ISO 8601
    orientation: int = 1  # EXIF, 1–8
    split: SplitName | Literal[""] = ""  # '' if rejected
    reject_reason: str = ""  # '' if accepted
    warnings: str = ""  # what the user should know of an accepted photo, joined by "; "


SCHEMA = pa.schema(
    [
        pa.field(field.name, pa.int64() if field.type is int else pa.string(), nullable=False)
        for field in fields(Photo)
    ]
)


def accepted(photos: Iterable[Photo]) -> list[Photo]:
    """Return the photos that were not rejected."""
    return [photo for photo in photos if not photo.reject_reason]


def write_manifest(folder: Path, photos: Iterable[Photo]) -> None:
    """Write the rows atomically, sorted by id; the same rows give the same bytes."""
    rows = [asdict(photo) for photo in sorted(photos, key=lambda photo: photo.id)]
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), file, compression="zstd")
    write_atomically(folder / MANIFEST, file.getvalue())


def read_manifest(folder: Path) -> list[Photo]:
    """Read all rows, including rejected photos, sorted by id.

    Raises: SourceError if the manifest is missing or damaged.
    """
    path = folder / MANIFEST
    try:
        table = pq.read_table(path, schema=SCHEMA)
        return [Photo(**row) for row in table.to_pylist()]
    except FileNotFoundError:
        raise SourceError(f"{path} is missing; `dvc repro` fetches the photos") from None
    except (pa.ArrowException, TypeError, OSError) as error:
        raise SourceError(
            f"{path} is damaged ({type(error).__name__}); delete {folder} and run `dvc repro`"
        ) from error
