"""Bring all cameras up to date, several at a time: `python -m stages.fleet`."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.errors import FleetError
from stages.command import parse, run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.fleet import Outcome

EXAMPLES = """examples:
  python -m stages.fleet                        all cameras that have changed, like `dvc repro`
  python -m stages.fleet dash-2019 dash-2021    these cameras only
  python -m stages.fleet --at-once 8            eight at a time
  python -m stages.fleet --dry-run              tell which cameras would be run

First the targets that are needed, then the cameras: their photos, patches, training, scores, registration and
report. A camera that fails stops no other; the table names the stage and the reason, and runs/.fleet/ has the
whole output of each. Run the command again after a failure, Ctrl-C or SIGTERM: what is done is skipped, and
trainings resume. Afterwards `dvc repro` finds everything up to date, and `dvc push` works as usual.

On a cluster (RAY_ADDRESS) each camera trains on one worker, or on WESPE_WORKERS; --at-once should be its
number of GPUs. WESPE_CPUS limits the CPUs of this machine that are shared.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.fleet",
        description="Bring cameras up to date, several at a time: what `dvc repro` does one after another.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cameras", metavar="CAMERA", nargs="*", help="names in params.yaml; default: all")
    parser.add_argument(
        "--at-once",
        type=int,
        metavar="N",
        default=0,
        help="cameras at a time; default: one per GPU, or per two CPUs, at least 2",
    )
    parser.add_argument("--dry-run", action="store_true", help="tell which cameras have changed, and stop")
    arguments = parse(parser)
    if arguments.at_once < 0:
        parser.error("--at-once must be at least 1")
    run("fleet", lambda: _fleet(arguments.cameras, arguments.at_once, arguments.dry_run))


def _fleet(names: Sequence[str], at_once: int, dry_run: bool) -> None:
    from pipeline import fleet, params

    loaded = params.load()
    cameras = {name: loaded.camera(name) for name in names or loaded.cameras}
    targets = sorted({camera.target for camera in cameras.values()})
    if not dry_run:
        fleet.check()
    stages = fleet.changed_stages()
    first, then = fleet.changed("targets", targets, stages), fleet.changed("cameras", cameras, stages)
    if dry_run or not first + then:
        print(*first + then or ["fleet: nothing has changed"], sep="\n")
        return
    at_once = at_once or _default_at_once()
    with fleet.environment(at_once) as environment:
        # A scheduler's SIGTERM ends all as Ctrl-C does. Ray has set a handler of its own when it started.
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
        ended = _show(fleet.run_side_by_side(first, at_once, environment))
        lost = {outcome.name for outcome in ended if outcome.reason}
        ready = [name for name, camera in cameras.items() if camera.target not in lost]
        then = fleet.changed("cameras", ready, fleet.changed_stages() if first else stages)
        ended += _show(fleet.run_side_by_side(then, at_once, environment))
    failed = [outcome.name for outcome in ended if outcome.reason]
    without = [name for name, camera in cameras.items() if camera.target in lost]
    if failed:
        raise FleetError(
            f"{len(failed)} failed ({', '.join(failed)})"
            + (f", {len(without)} cameras have no target" if without else "")
            + "; their output is in runs/.fleet; fix the cause and run the same command again"
        )
    print("fleet: all cameras are up to date; see `python -m stages.summary`")


def _default_at_once() -> int:
    import torch

    return torch.cuda.device_count() or max(2, (os.cpu_count() or 1) // 2)


def _show(outcomes: "Iterable[Outcome]") -> "list[Outcome]":
    """Print a line for each as it ends."""
    ended = []
    for outcome in outcomes:
        ended.append(outcome)
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)  # the line of progress
        state = f"failed in {outcome.stage}: {outcome.reason}" if outcome.reason else "done"
        print(f"{outcome.name:<24}  {outcome.seconds:>6.0f} s  {state}", flush=True)
    return ended


if __name__ == "__main__":
    main()
