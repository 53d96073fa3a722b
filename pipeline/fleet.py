"""Runs the stages of many cameras side by side: a DVC process for each, all on one Ray.

DVC runs one stage after another. Processes that name their stages (`--single-item`), and wait for DVC's lock,
which is held between stages only, can run at the same time; caching, `dvc.lock` and metrics stay DVC's.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import FleetError
from pipeline.layout import CAMERA_STAGES, FLEET_LOGS, TARGET_STAGES
from pipeline.logs import Progress

DVC = (sys.executable, "-m", "dvc", "--wait-for-lock")
STAGES = {"cameras": CAMERA_STAGES, "targets": TARGET_STAGES}
# DVC's second lock, of paths, does not wait; whoever finds it taken has to come back.
BUSY = ("Unable to acquire lock", "is busy, it is being blocked by")
MOST_RETRIES, RETRY_S, POLL_S = 20, 2.0, 0.2
TAIL = 1000  # characters of a log that tell why DVC ended
SHOWN = 3  # running ones in the line of progress
RUNNING = re.compile(r"^Running stage '([\w-]+)@", re.MULTILINE)
FAILED = "ERROR: failed to reproduce"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """address: such as `cameras.phone`. stage, reason: where and why it failed; "" if it is done."""

    address: str
    seconds: float
    stage: str = ""
    reason: str = ""

    @property
    def name(self) -> str:
        return self.address.partition(".")[2]


@dataclass
class Job:
    """A camera's or target's DVC process; its output goes to a log file."""

    address: str
    environment: Mapping[str, str]
    retries: int = 0
    ready_s: float = 0.0
    began_s: float = 0.0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def log(self) -> Path:
        return FLEET_LOGS / f"{self.address}.log"

    def start(self) -> None:
        kind, _, name = self.address.partition(".")
        stages = [f"{stage}@{name}" for stage in STAGES[kind]]
        self.began_s = self.began_s or time.monotonic()
        with open(self.log, "ab" if self.retries else "wb") as log:
            self.process = subprocess.Popen(
                [*DVC, "repro", "--single-item", *stages],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,  # a Ctrl-C in the terminal comes by `interrupt`, once
            )

    def interrupt(self) -> None:
        """Send Ctrl-C to DVC and its stage, which finishes the work in progress."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)

    def output(self) -> str:
        return self.log.read_text(errors="replace").replace("\r", "\n")

    def stage(self) -> str:
        """Return the stage that is running, or has run last."""
        found = RUNNING.findall(self.output())
        return found[-1] if found else "dvc"

    def is_busy(self) -> bool:
        """Tell whether it failed because another process held a lock, and may be tried again."""
        return self.retries < MOST_RETRIES and any(text in self.output()[-TAIL:] for text in BUSY)

    def outcome(self) -> Outcome:
        seconds = time.monotonic() - self.began_s
        assert self.process is not None
        if self.process.returncode == 0:
            return Outcome(address=self.address, seconds=seconds)
        output = self.output()
        why = (output.rpartition(FAILED)[0] or output).strip() or f"DVC ended with {self.process.returncode}"
        return Outcome(address=self.address, seconds=seconds, stage=self.stage(), reason=why.splitlines()[-1])


def run_side_by_side(
    addresses: Sequence[str], at_once: int, environment: Mapping[str, str]
) -> Iterator[Outcome]:
    """Run the stages of cameras or targets, at most `at_once` at a time; yield outcomes as they end.

    One that fails stops no other. If the caller stops, or Ctrl-C is pressed, those that run finish the work
    in progress and end. Progress goes to stderr.
    """
    if not addresses:
        return
    FLEET_LOGS.mkdir(parents=True, exist_ok=True)
    waiting = deque(Job(address, environment) for address in addresses)
    running: list[Job] = []
    progress, failed = Progress("fleet", len(waiting), addresses[0].partition(".")[0]), 0
    try:
        while waiting or running:
            while waiting and len(running) < at_once and waiting[0].ready_s <= time.monotonic():
                running.append(waiting.popleft())
                running[-1].start()
            ended = [job for job in running if job.process and job.process.poll() is not None]
            for job in ended:
                running.remove(job)
                outcome = job.outcome()
                if outcome.reason and job.is_busy():
                    job.retries, job.ready_s = job.retries + 1, time.monotonic() + RETRY_S
                    waiting.appendleft(job)
                    continue
                failed += bool(outcome.reason)
                progress.update(note=_note(running, failed))
                yield outcome
            if waiting or running:
                progress.update(0, note=_note(running, failed))
                time.sleep(POLL_S)
    finally:
        for job in running:
            job.interrupt()
        for job in running:
            if job.process:
                job.process.wait()


def _note(running: Sequence[Job], failed: int) -> str:
    parts = [f"{job.address.partition('.')[2]}: {job.stage()}" for job in running[:SHOWN]]
    parts += [f"{len(running) - SHOWN} more"] * (len(running) > SHOWN) + [f"{failed} failed"] * bool(failed)
    return ", ".join(parts)


def check() -> None:
    """Run the stage `check`. Raises FleetError."""
    _dvc("repro", "--quiet", "check")


def changed_stages() -> set[tuple[str, str]]:
    """Return the stages that have to run, as ("train", "phone"); with 200 cameras it takes 40 s.

    DVC does not tell stages that come after a changed one: ask for cameras when their targets are up to date.
    Raises FleetError.
    """
    print("fleet: looking for what has changed", file=sys.stderr, flush=True)
    addresses = json.loads(_dvc("status", "--json"))
    return {(stage, name) for stage, _, name in (address.partition("@") for address in addresses)}


def changed(kind: str, names: Iterable[str], stages: Collection[tuple[str, str]]) -> list[str]:
    """Return the addresses, such as `cameras.phone`, of those that have one of the stages."""
    return [f"{kind}.{name}" for name in names if any((stage, name) in stages for stage in STAGES[kind])]


def _dvc(*command: str) -> str:
    done = subprocess.run([*DVC, *command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        output = (done.stdout + done.stderr).partition(FAILED)[0].strip().splitlines()
        raise FleetError(output[-1] if output else f"`dvc {' '.join(command)}` ended with {done.returncode}")
    return done.stdout


@contextmanager
def environment(at_once: int) -> Iterator[dict[str, str]]:
    """Yield the environment of the processes: one Ray for all, and a share of this machine's CPUs for each.

    Without RAY_ADDRESS, Ray is started here, and ends with the block.
    """
    from pipeline import cluster  # imports Ray, which takes seconds

    share = max(1, cluster.cpus_here() // at_once)
    default, mine = {"OMP_NUM_THREADS": str(share), "WESPE_WORKERS": "1"}, {"WESPE_CPUS": str(share)}
    if "RAY_ADDRESS" in os.environ:
        yield default | os.environ | mine
        return
    # For each camera a worker and a task of each of its two streams, or trainings would wait forever.
    with cluster.session(cpus=3 * at_once):
        here = {"RAY_ADDRESS": cluster.address(), cluster.LOCAL_RAY: "1"}
        yield default | os.environ | mine | here  # Ray has added RAY_AUTH_MODE, without which it lets none in
