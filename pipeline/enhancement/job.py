"""Runs a job: carries out a plan on an engine and writes the ledger."""

import errno
import os
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import torch

from pipeline.enhancement.enhancer import NO_SPACE, PHOTOS_AT_ONCE, Enhancer
from pipeline.enhancement.ledger import PART_BYTES, Entry
from pipeline.enhancement.plan import Plan
from pipeline.enhancement.stores import FolderStore
from pipeline.errors import EnhancementError
from pipeline.logs import PhotoWarnings, Progress
from pipeline.models.edits_file import load_model_or_edits

MIN_FAILED = 10  # up to this many failures never stop a job, whatever their share

LISTED = "all are listed in {} (Parquet); fix or remove them and run again"

Engine = Callable[[Plan], Generator[Entry]]  # yields the entries of all tasks, in any order; closing stops it


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The outcome of a job.

    failed: entries of the photos that could not be enhanced.
    warnings: lines about photos that were enhanced.
    """

    done: int
    failed: tuple[Entry, ...]
    warnings: tuple[str, ...] = ()


def carry_out(plan: Plan, engine: Engine, max_failed_share: float = 0.05) -> Summary:
    """Enhance the photos of the plan; each is in the ledger as soon as it is finished.

    A failed photo does not stop the others, until more than `max_failed_share` of all tasks have failed.
    Raises EnhancementError then, and if the disk is full; KeyboardInterrupt with the number of photos done.
    """
    if isinstance(plan.destination, FolderStore):
        plan.destination.sweep()
    done, failed, warnings = 0, list[Entry](), PhotoWarnings()
    limit = max(MIN_FAILED, int(max_failed_share * len(plan.tasks)))
    pixels = {task.photo: task.pixels for task in plan.tasks}
    progress = Progress("enhance", len(plan.tasks), "photos", work=plan.megapixels, work_unit="MP")

    def take(entry: Entry) -> None:
        nonlocal done
        if entry.status == "stopped":
            raise OSError(errno.ENOSPC, entry.reason)
        if entry.status == "failed":
            failed.append(entry)
        else:
            done += 1
            warnings.add(entry.photo, filter(None, entry.warnings.split("; ")))
        plan.ledger.append(entry)
        if len(failed) > limit:
            raise EnhancementError(_too_many(failed, done, plan))
        progress.update(work=pixels[entry.photo] / 1e6, note=f"{len(failed)} failed" if failed else "")

    entries = engine(plan)
    with plan.destination.room(PART_BYTES) as give_free:
        try:
            _take_all(entries, take)
        except KeyboardInterrupt:
            left = len(plan.tasks) - done - len(failed)
            raise KeyboardInterrupt(f"{done} photos are enhanced, {left} are left") from None
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            raise EnhancementError(
                f"{plan.destination.address}: the disk is full; free some space and run it again"
            ) from None
        finally:
            entries.close()  # first, so that no worker uses the space reserved for the ledger
            give_free()
            plan.ledger.flush()
    return Summary(
        done=done,
        failed=tuple(sorted(failed, key=lambda entry: entry.photo)),
        warnings=warnings.lines(),
    )


def _take_all(entries: Generator[Entry], take: Callable[[Entry], None]) -> None:
    """Process all entries; after Ctrl-C only those of finished photos and photos in progress."""
    try:
        for entry in entries:
            take(entry)
    except KeyboardInterrupt:
        take(entries.throw(KeyboardInterrupt()))  # raises again if the engine has no more entries
        for entry in entries:
            take(entry)
        raise


def _too_many(failed: list[Entry], done: int, plan: Plan) -> str:
    last, where = failed[-1], LISTED.format(plan.ledger.address)
    return (
        f"stopped: {len(failed)} of {done + len(failed)} photos failed, the last {last.photo} "
        f"({last.reason}); {where}, or use --max-failed-share"
    )


def in_process(plan: Plan) -> Generator[Entry]:
    """Enhance in threads of this process, without Ray.

    Ctrl-C waits for the photos in progress, since a process that exits while a torch thread runs crashes.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    enhancer = Enhancer(
        models={uri: load_model_or_edits(folder, device) for uri, folder in plan.folders.items()},
        sources=plan.sources,
        destination=plan.destination,
        settings=plan.settings,
        cpus=os.cpu_count() or 1,
    )
    threads = ThreadPoolExecutor(PHOTOS_AT_ONCE)
    try:
        jobs = [threads.submit(enhancer, task) for task in plan.tasks]
        waiting = set(jobs)
        try:
            for job in as_completed(jobs):
                waiting.discard(job)
                yield job.result()
        except KeyboardInterrupt:
            threads.shutdown(cancel_futures=True)
            yield from (job.result() for job in waiting if not job.cancelled())
            raise
    finally:
        threads.shutdown(cancel_futures=True)
