"""Progress lines with the remaining time, for work that takes more than a few seconds."""

import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple


def quiet_engines() -> None:
    """Silence the engines' log output, except errors."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # MLflow reads it when it is imported
    for name in ("ray", "mlflow", "alembic", "botocore", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)


class PhotoWarnings:
    """Warnings about photos, counted by their text: a thousand equal ones are one line."""

    def __init__(self) -> None:
        self._counts, self._first = Counter[str](), dict[str, str]()

    def add(self, photo: str, texts: Iterable[str]) -> None:
        for text in texts:
            self._counts[text] += 1
            self._first[text] = min(photo, self._first.get(text, photo))  # threads finish in any order

    def lines(self) -> tuple[str, ...]:
        """One line per text, the most frequent first."""
        return tuple(
            f"{self._first[text]}: {text}" + (f" (and {count - 1} more)" if count > 1 else "")
            for text, count in self._counts.most_common()
        )


class _Mark(NamedTuple):
    """The state of the work at one time."""

    time_s: float
    done: int
    worked: float


class Progress:
    """A line such as `fetch demo-phone  12/40 photos  3.1/s  9 s left  note`.

    The first line is printed after the first unit; its remaining time includes the start-up time. Later lines
    exclude the start-up time. On a terminal the line is redrawn in place; elsewhere a new line is printed
    every `every_s` seconds, and always at the end.

    start: units already done by an earlier run that is resumed.
    work, work_unit: total work of all units, such as megapixels, if units differ in size.
    """

    def __init__(
        self,
        title: str,
        total: int,
        unit: str,
        every_s: float = 10.0,
        start: int = 0,
        work: float = 0.0,
        work_unit: str = "",
    ):
        self.title, self.total, self.unit = title, total, unit
        self.done = start
        self._work, self._work_unit, self._worked = work, work_unit, 0.0
        self._live = sys.stderr.isatty()
        self._every_s = 0.2 if self._live else every_s
        self._start = _Mark(time.monotonic(), start, 0.0)
        self._first: _Mark | None = None  # after the first update
        self._printed_s, self._width = self._start.time_s, 0

    def update(self, count: int = 1, note: str = "", work: float = 0.0) -> None:
        """Count units, and their work, as done; print the line if it is due."""
        self.done += count
        self._worked += work
        now = _Mark(time.monotonic(), self.done, self._worked)
        first = self._first is None and self.done > self._start.done
        if self.done >= self.total:
            speed, _ = self._rate(self._start, now)
            self._write(self._text(speed, f"in {_clock(now.time_s - self._start.time_s)}", note), last=True)
        elif first or now.time_s - self._printed_s >= self._every_s:
            self._printed_s = now.time_s
            self._write(self._text(*self._rate(self._first or self._start, now), note), last=False)
        if first:
            self._first = now

    def _rate(self, since: _Mark, now: _Mark) -> tuple[str, str]:
        """Return the speed, and the remaining time at that speed, as text."""
        elapsed_s = max(now.time_s - since.time_s, 1e-9)
        finished: float = now.done - since.done
        left: float = self.total - now.done
        unit = ""
        if self._work:
            finished, left, unit = now.worked - since.worked, self._work - now.worked, f" {self._work_unit}"
        clock = f"{_clock(left * elapsed_s / finished)} left" if finished > 0 else "-- left"
        return f"{finished / elapsed_s:.3g}{unit}/s", clock

    def _text(self, speed: str, clock: str, note: str) -> str:
        return f"{self.title}  {self.done}/{self.total} {self.unit}  {speed}  {clock}  {note}".rstrip()

    def _write(self, line: str, *, last: bool) -> None:
        if self._live:
            sys.stderr.write("\r" + line.ljust(self._width) + ("\n" if last else ""))
            self._width = len(line)
        else:
            sys.stderr.write(line + "\n")
        sys.stderr.flush()


def _clock(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else str(timedelta(seconds=round(seconds)))
