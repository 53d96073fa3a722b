"""Resumable parallel downloads with one progress line; only complete files get their final names."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event, Lock
from typing import TypeVar

from pipeline.errors import SourceError
from pipeline.logs import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK_BYTES = 2**18


class PartFile:
    """An unfinished download, `<destination>.part`; the ETag or date of its version is in `.validator`."""

    def __init__(self, destination: Path):
        self.destination = destination
        self.path = destination.with_name(destination.name + ".part")
        self._validator = destination.with_name(destination.name + ".validator")

    @property
    def validator(self) -> str:
        return self._validator.read_text() if self._validator.exists() else ""

    @property
    def size(self) -> int:
        """Number of bytes to resume from; 0 without a validator, since they may be of another version."""
        return self.path.stat().st_size if self.path.exists() and self.validator else 0

    def write(self, chunks: Iterable[bytes], start: int, validator: str, meter: "Meter") -> None:
        """Write starting at byte `start`; bytes received before a failure are kept."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if start == 0:
            self.discard()
            self._validator.write_text(validator)
        with self.path.open("ab") as file:
            for chunk in chunks:
                file.write(chunk)
                meter.received(len(chunk))

    def discard(self) -> None:
        """Delete all files. The validator is last, so that it never accompanies bytes of another version."""
        for path in (self.path, self.destination, self._validator):
            path.unlink(missing_ok=True)

    def finish(self, whole: Path | None = None) -> None:
        """Rename the complete, verified file to its final name; the validator is kept.

        whole: the file to keep, if the download had to be decompressed first.
        """
        whole = whole or self.path
        with whole.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(whole, self.destination)
        self.path.unlink(missing_ok=True)


class Meter:
    """One progress line for all downloads, and a switch to stop them together."""

    def __init__(self, label: str, total: int):
        self._progress = Progress(label, total, "files")
        self._lock, self._stop, self._bytes = Lock(), Event(), 0

    def received(self, count: int) -> None:
        """Count received bytes. Raises SourceError if another download has failed."""
        if self._stop.is_set():
            raise SourceError("stopped, because another download failed")
        with self._lock:
            self._bytes += count
            self._progress.update(0, self._note())

    def finished(self) -> None:
        with self._lock:
            self._progress.update(1, self._note())

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    def stop(self) -> None:
        self._stop.set()

    def _note(self) -> str:
        return f"{self._bytes / 1e6:.1f} MB"


def download_all(
    label: str, items: Sequence[Item], download: Callable[[Item, Meter], Result], at_once: int = 8
) -> list[Result]:
    """Call `download` for every item, `at_once` at a time; the first failure stops the others."""
    meter = Meter(label, len(items))

    def one(item: Item) -> Result:
        result = download(item, meter)
        meter.finished()
        return result

    with ThreadPoolExecutor(at_once) as pool:
        jobs = [pool.submit(one, item) for item in items]
        try:
            for job in wait(jobs, return_when=FIRST_EXCEPTION).done:
                job.result()  # raises the job's exception
            return [job.result() for job in jobs]
        finally:  # also on Ctrl-C: otherwise the pool would wait for all running downloads
            meter.stop()
            pool.shutdown(wait=True, cancel_futures=True)
