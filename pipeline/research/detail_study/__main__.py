"""Study: which ways of learning detail without pairs improve scores? Trains many settings on one GPU.

    python -m pipeline.research.detail_study PHOTOS OUT

PHOTOS contains folders of 1:1 crops (photo_sets.py) and weights/. Needs torch, torchvision and wespe, but not
Ray. Results are written after every training, so that an interrupted run only loses the ones in progress.
"""

import argparse
import os
import queue
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import multiprocessing

from pipeline.research.detail_study.report import write_sheet, write_table
from pipeline.research.detail_study.settings import SETTINGS, Setting
from pipeline.research.detail_study.training import Budget
from pipeline.research.detail_study.worker import YARDSTICKS, Job, Plan, work

TRAINING_PATCHES = 2048
SHEETS = ("iphone-good-pairs", "iphone-good-crops", "city100-pairs", "iphone-canon-pairs")
MOST_SHEETS = 4


class Results:
    """The results so far, and their files."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.rows: list[dict[str, Any]] = []
        self.pictures: dict[str, dict[str, list[np.ndarray]]] = {}
        self.weights: dict[str, np.ndarray] = {}

    def add(self, job: Job, result: dict[str, Any]) -> None:
        self.rows += result["rows"]
        key = f"{job.setting.name}.{job.seed}"
        self.weights |= {f"{key}.{name}": array for name, array in result["weights"].items()}
        if job.seed == 0:
            for kind, columns in result["pictures"].items():
                name = f"{job.setting.photos}-{kind}"
                self.pictures.setdefault(name, {}).update(columns)
        write_table(self.folder, self.rows)

    def finish(self) -> str:
        """Write weights and sheets; return the table."""
        if self.weights:
            save_file(self.weights, self.folder / "weights.safetensors")
        for name in sorted(self.pictures, key=_importance)[:MOST_SHEETS]:
            write_sheet(self.folder / f"{name}.jpg", self.pictures[name])
        return write_table(self.folder, self.rows)


def _importance(name: str) -> int:
    return SHEETS.index(name) if name in SHEETS else len(SHEETS)


def main() -> None:
    """Parse the options, start the workers, and collect their results."""
    options = parse()
    began = time.time()
    os.environ.setdefault("OMP_NUM_THREADS", str(options.threads))
    options.out.mkdir(parents=True, exist_ok=True)
    budget = Budget(
        steps=options.steps,
        seconds=options.seconds,
        batch=options.batch,
        size_px=options.size_px,
        camera_steps=options.camera_steps,
    )
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    plan = Plan(options.photos, device, budget, began + options.deadline, options.patches, options.threads)
    jobs = planned(options)
    print(f"{len(jobs)} jobs on {device}, {options.workers} workers, {options.deadline:g} s", flush=True)
    context = multiprocessing.get_context("spawn")
    waiting, results = context.Queue(), context.Queue()
    for job in jobs:
        waiting.put(job)
    workers = [context.Process(target=work, args=(plan, waiting, results)) for _ in range(options.workers)]
    for worker in workers:
        worker.start()
    found = Results(options.out)
    collect(results, workers, found, began, plan.deadline)
    print(found.finish(), flush=True)


def collect(results: Any, workers: list, found: Results, began: float, deadline: float) -> None:
    """Wait until all workers are done or the deadline has passed; then terminate workers that still run."""
    done = 0
    while done < len(workers) and time.time() < deadline and any(worker.is_alive() for worker in workers):
        try:
            item = results.get(timeout=1)
        except queue.Empty:
            continue
        if item is None:
            done += 1
            continue
        job, seconds, result = item
        found.add(job, result)
        at = time.time() - began
        print(
            f"[{at:5.0f} s] {job.setting.name} seed {job.seed}: {seconds:.1f} s {_brief(result)}", flush=True
        )
    for worker in workers:
        worker.join(timeout=1)
        if worker.is_alive():
            worker.kill()


def _brief(result: dict[str, Any]) -> str:
    if "error" in result:
        return str(result["error"])
    shown = (
        "name",
        "lpips",
        "psnr",
        "ms_ssim",
        "noise",
        "set_auc_squeezenet1_1",
        "set_noise",
        "steps",
        "seconds",
    )
    return "; ".join(" ".join(f"{k}={row[k]}" for k in shown if k in row) for row in result["rows"])


def planned(options: argparse.Namespace) -> list[Job]:
    """Order jobs: baselines and the first seed of every setting first, in case the run is interrupted."""
    chosen = [setting for setting in SETTINGS if not options.settings or setting.name in options.settings]
    sets = list(dict.fromkeys(setting.photos for setting in chosen))
    jobs = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        jobs += [Job(setting, seed) for setting in chosen]
        jobs += [Job(Setting(name=YARDSTICKS, photos=name), seed) for name in sets]
    return jobs


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.research.detail_study", description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--settings", nargs="*", choices=[s.name for s in SETTINGS], help="default: all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=1500, help="maximum number of steps per training")
    parser.add_argument("--seconds", type=float, default=30, help="maximum time per training")
    parser.add_argument("--deadline", type=float, default=285, help="total time in seconds")
    parser.add_argument("--workers", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads per worker")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size-px", type=int, default=80)
    parser.add_argument("--camera-steps", type=int, default=250)
    parser.add_argument("--patches", type=int, default=TRAINING_PATCHES, help="patches per set")
    parser.add_argument("--device", help="default: cuda if available")
    return parser.parse_args()


if __name__ == "__main__":
    main()
