"""The job: carries a plan out on one engine or another, and keeps the ledger."""

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool

import torch

from pipeline.enhancement.enhancer import NO_SPACE, PHOTOS_AT_ONCE, Enhancer
from pipeline.enhancement.ledger import PART_BYTES, Entry
from pipeline.enhancement.plan import Plan
from pipeline.enhancement.stores import FolderStore
from pipeline.errors import EnhancementError
from pipeline.logs import Progress
from pipeline.models.model_folder import load_model

MIN_FAILED = 10  # so few never stop a job, whatever their share

LISTED = "all are listed in {} (Parquet); mend or remove them and run again"

Engine = Callable[[Plan], Iterator[Entry]]  # yields the entries of all tasks, in any order


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a job did; `failed` holds the entries of the photos that could not be enhanced."""

    done: int
    failed: tuple[Entry, ...]


def carry_out(plan: Plan, engine: Engine, max_failed_share: float = 0.05) -> Summary:
    """Enhance what the plan says; each photo is in the ledger as soon as it is finished.

    A photo that fails does not stop the others, until more than `max_failed_share` of all tasks have failed.
    Raises EnhancementError then, and when there is no space left.
    """
    if isinstance(plan.destination, FolderStore):
        plan.destination.sweep()
    done, failed = 0, list[Entry]()
    limit = max(MIN_FAILED, int(max_failed_share * len(plan.tasks)))
    pixels = {task.photo: task.pixels for task in plan.tasks}
    progress = Progress("enhance", len(plan.tasks), "photos", work=plan.megapixels, work_unit="MP")
    with plan.destination.room(PART_BYTES) as give_free:
        try:
            for entry in engine(plan):
                if entry.status == "stopped":
                    raise OSError(errno.ENOSPC, entry.reason)
                plan.ledger.append(entry)
                if entry.status == "failed":
                    failed.append(entry)
                else:
                    done += 1
                if len(failed) > limit:
                    raise EnhancementError(_too_many(failed, done, plan))
                progress.update(
                    work=pixels[entry.photo] / 1e6, note=f"{len(failed)} failed" if failed else ""
                )
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            raise EnhancementError(
                f"{plan.destination.address}: no space left; free some and run it again"
            ) from None
        finally:
            give_free()
            plan.ledger.flush()
    return Summary(done=done, failed=tuple(sorted(failed, key=lambda entry: entry.photo)))


def _too_many(failed: list[Entry], done: int, plan: Plan) -> str:
    last, where = failed[-1], LISTED.format(plan.ledger.address)
    return (
        f"stopped: {len(failed)} of {done + len(failed)} photos failed, the last {last.photo} "
        f"({last.reason}); {where}, or use --max-failed-share"
    )


def in_process(plan: Plan) -> Iterator[Entry]:
    """Enhance here, without Ray."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    enhancer = Enhancer(
        models={uri: load_model(folder, device) for uri, folder in plan.folders.items()},
        sources=plan.sources,
        destination=plan.destination,
        settings=plan.settings,
        cpus=os.cpu_count() or 1,
    )
    with ThreadPool(PHOTOS_AT_ONCE) as threads:
        yield from threads.imap_unordered(enhancer, plan.tasks)
