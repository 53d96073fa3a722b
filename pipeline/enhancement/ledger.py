"""The ledger: Parquet files next to the results that list finished photos, so that jobs can resume."""

import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.enhancement.stores import Store
from pipeline.errors import EnhancementError

FOLDER = "ledger"
ROWS_PER_PART, PART_BYTES = 1_000, 512 * 2**10  # most parts have a quarter of this size
FLUSH_SHARE = 0.1  # maximum share of a job's time for writing; entries that arrive faster are collected


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The outcome of one photo.

    photo: its path below the source.
    source, source_version: its store, and its version there.
    settings: everything that changes the result, besides content and model.
    status: `stopped` if the job had to end for a reason unrelated to the photo.
    warnings: what the user should know about a photo that was enhanced, joined by "; ".
    result, result_sha256, result_version: the enhanced photo's path at the destination, its hash and version.
    """

    photo: str
    source: str
    source_version: str
    content_sha256: str
    model: str
    model_sha256: str
    settings: str
    status: Literal["done", "failed", "stopped"]
    reason: str = ""
    warnings: str = ""
    result: str = ""
    result_sha256: str = ""
    result_version: str = ""
    finished_at_s: float = 0.0  # since the Unix epoch


SCHEMA = pa.schema(
    [(field.name, pa.float64() if field.type is float else pa.string()) for field in fields(Entry)]
)


class Ledger:
    """The entries of all jobs with the same destination; the latest entry of a photo is valid.

    Each job writes its own files (parts), so that concurrent jobs do not conflict. The last part is rewritten
    completely until it has ROWS_PER_PART rows.
    """

    def __init__(self, store: Store):
        self._store = store
        self._job = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:8]}"
        self._part, self._rows, self._next_flush_s = 0, list[Entry](), 0.0

    @property
    def address(self) -> str:
        return f"{self._store.address.rstrip('/')}/{FOLDER}"

    def read(self, names: Iterable[str]) -> dict[str, Entry]:
        """Return the latest entry of every photo, from the parts among the store's files.

        Raises EnhancementError if a part is damaged.
        """
        entries: dict[str, Entry] = {}
        for name in sorted(name for name in names if is_part(name)):
            for entry in self._read(name):
                before = entries.get(entry.photo)
                if before is None or before.finished_at_s <= entry.finished_at_s:
                    entries[entry.photo] = entry
        return entries

    def append(self, entry: Entry) -> None:
        """Add an entry. It is written immediately, or with a later entry, or by `flush`."""
        self._rows.append(entry)
        if len(self._rows) == ROWS_PER_PART or time.monotonic() >= self._next_flush_s:
            self.flush()

    def flush(self) -> None:
        if not self._rows:
            return
        began_s = time.monotonic()
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist([asdict(entry) for entry in self._rows], SCHEMA), sink)
        self._store.write(f"{FOLDER}/{self._job}-{self._part:05}.parquet", sink.getvalue().to_pybytes())
        ended_s = time.monotonic()
        self._next_flush_s = ended_s + (ended_s - began_s) / FLUSH_SHARE
        if len(self._rows) == ROWS_PER_PART:
            self._part, self._rows = self._part + 1, []

    def _read(self, name: str) -> Iterator[Entry]:
        with self._store.open(name) as file:
            data = file.read()
        try:
            rows = pq.read_table(pa.BufferReader(data), schema=SCHEMA).to_pylist()
        except (pa.ArrowException, OSError, ValueError):  # pyarrow raises OSError for a damaged footer
            where = f"{self._store.address.rstrip('/')}/{name}"
            raise EnhancementError(
                f"{where} is damaged; delete it, then the photos that it lists will be enhanced again"
            ) from None
        # Parts of an earlier version lack the newest columns, which then read as None.
        yield from (Entry(**{k: v for k, v in row.items() if v is not None}) for row in rows)


def is_part(name: str) -> bool:
    """Tell by its name below the destination whether a file is part of a ledger."""
    return name.startswith(f"{FOLDER}/") and name.endswith(".parquet")
