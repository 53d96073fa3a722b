"""One timed progress line for anything that takes more than a few seconds."""

import logging
import os
import sys
import time
from datetime import timedelta


def quiet_engines() -> None:
    """Keep engine chatter out of stage output: a user reads ours, errors still come through."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    for name in ("ray", "mlflow", "alembic", "botocore", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)


class Progress:
    """A line such as `fetch demo-phone  12/40 photos  3.1/s  9 s left  note`.

    Redraws in place on a terminal; elsewhere prints a new line every `every_s` seconds, and always the last.
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
        self.done, self._start = start, start
        # Where one is more work than another, the time left follows from the work.
        self._work, self._work_unit, self._worked = work, work_unit, 0.0
        self._live = sys.stderr.isatty()
        self._every_s = 0.2 if self._live else every_s
        self._began = self._printed = self._measured = time.monotonic()
        self._width, self._first = 0, True

    def update(self, count: int = 1, note: str = "", work: float = 0.0) -> None:
        self.done += count
        now = time.monotonic()
        if self._first and self.done < self.total:  # before it something may have been started: no speed yet
            self._first, self._measured, self._start = False, now, self.done
            self._work -= work
        else:
            self._worked += work
        if self.done >= self.total or now - self._printed >= self._every_s:
            self._printed = now
            self._write(self._line(now, note), last=self.done >= self.total)

    def _line(self, now: float, note: str) -> str:
        elapsed_s = max(now - self._measured, 1e-9)
        rate = (self.done - self._start) / elapsed_s
        left = (self.total - self.done) / rate if rate else None
        speed = f"{rate:.3g}/s"
        if self._work:
            left = (self._work - self._worked) * elapsed_s / self._worked if self._worked else None
            speed = f"{self._worked / elapsed_s:.3g} {self._work_unit}/s"
        if self.done >= self.total:
            clock = f"in {_clock(now - self._began)}"
        else:
            clock = "-- left" if left is None else f"{_clock(left)} left"
        return f"{self.title}  {self.done}/{self.total} {self.unit}  {speed}  {clock}  {note}".rstrip()

    def _write(self, line: str, last: bool) -> None:
        if self._live:
            sys.stderr.write("\r" + line.ljust(self._width) + ("\n" if last else ""))
            self._width = len(line)
        else:
            sys.stderr.write(line + "\n")
        sys.stderr.flush()


def _clock(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else str(timedelta(seconds=round(seconds)))
