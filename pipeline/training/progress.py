"""The progress line of training: after the first step, then at regular intervals."""

import sys
from typing import Any

from pipeline.logs import Progress
from wespe.training import describe

EVERY_S = 5.0


class TrainingProgress:
    """The progress line of one run, with the latest losses as its note."""

    def __init__(self, title: str, steps: int):
        self._title, self._steps = title, steps
        self._line: Progress | None = None
        self._note = ""

    def announce(self, text: str) -> None:
        """Print a line about the run."""
        print(f"{self._title}: {text}", file=sys.stderr, flush=True)

    def step(self, step: int) -> None:
        """Show that `step` steps are done. The first call, before training, starts the clock."""
        if self._line is None:
            self._line = Progress(self._title, self._steps, "steps", EVERY_S, start=step)
        elif step < self._steps:  # the last line is printed with the record of the last step
            self._show(step)

    def record(self, record: dict[str, Any]) -> None:
        """Show a record of losses, in this line and the following ones."""
        if record["step"]:
            self._note = describe(record)
            self._show(record["step"])

    def _show(self, step: int) -> None:
        if self._line and step > self._line.done:  # a restarted worker repeats some steps
            self._line.update(step - self._line.done, self._note)
