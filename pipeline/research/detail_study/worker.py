"""One worker: takes settings from a queue, trains and scores them; reads photos and weights only once."""

import queue
import time
import traceback
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.research.detail_study.critics import FrozenFeatures
from pipeline.research.detail_study.photo_sets import (
    PhotoSet,
    as_tensor,
    draw_patches,
    read_partners,
    read_set,
)
from pipeline.research.detail_study.scores import Sample, Scorer, sampled
from pipeline.research.detail_study.settings import Setting
from pipeline.research.detail_study.start import Start, enhanced_photos
from pipeline.research.detail_study.training import Budget, Material, train
from pipeline.research.detail_study.yardsticks import yardsticks
from wespe.networks.restorer import multiply_adds_per_pixel

TRAINING_PX = 128
SHOWN_PAIRS, SHOWN_CROPS, CROP_PX = 10, 8, 256
SCORING_S = 12.0  # what is left to score a training with
YARDSTICKS = "yardsticks"


@dataclass(frozen=True)
class Job:
    setting: Setting
    seed: int


@dataclass(frozen=True)
class Plan:
    """Options of all workers. deadline: on the clock shared by all processes."""

    photos: Path
    device: str
    budget: Budget
    deadline: float
    patches: int
    threads: int


class Bench:
    """A worker's photos, weights and initial transforms, each loaded once."""

    def __init__(self, plan: Plan):
        self.plan, self.device = plan, torch.device(plan.device)
        weights = plan.photos / "weights"
        self.features = FrozenFeatures(weights / "vgg19_to_relu3_1.safetensors", self.device)
        self.scorer = Scorer(weights, self.device)
        self.started = lru_cache(maxsize=3)(self._started)
        self.read = lru_cache(maxsize=3)(self._read)

    def _read(self, name: str, seed: int) -> tuple[PhotoSet, Sample]:
        photos = read_set(self.plan.photos, name, seed)
        return photos, sampled(photos)

    def photo_set(self, name: str, seed: int) -> tuple[PhotoSet, Sample]:
        return self.read(name, seed if name == "city100" else 0)

    def _started(self, name: str, seed: int) -> Start:
        return Start(self.photo_set(name, seed)[0], seed, self.device, self.plan.patches)

    def material(self, setting: Setting, seed: int) -> Material:
        photos, start = self.photo_set(setting.photos, seed)[0], self.started(setting.photos, seed)
        draw = partial(draw_patches, count=self.plan.patches, size_px=TRAINING_PX, device=self.device)
        sources, targets = (
            draw(side, seed=seed + number)[0] for number, side in enumerate((photos.source, photos.target), 7)
        )
        pairs = self._pairs(setting, start) if setting.paired else None
        return Material(start(sources, texture=setting.texture), targets, pairs)

    def _pairs(self, setting: Setting, start: Start) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the truth the mean colour of the initial output, so that the oracle only learns detail."""
        partners = read_partners(self.plan.photos)
        sides = (as_tensor(np.stack(side), self.device) for side in zip(*partners, strict=True))
        phone, truth = sides
        started = start(phone, texture=setting.texture)
        return started, (truth + (started - truth).mean((2, 3), keepdim=True)).clamp(0, 1)


def run_job(job: Job, bench: Bench) -> dict[str, Any]:
    """Train and score a setting, and store its pictures."""
    plan, setting = bench.plan, job.setting
    left = plan.deadline - time.time() - SCORING_S
    budget = replace(plan.budget, seconds=max(1.0, min(plan.budget.seconds, left)))
    photos, sample = bench.photo_set(setting.photos, job.seed)
    start = bench.started(setting.photos, job.seed)
    trained = train(setting, bench.material(setting, job.seed), bench.features, budget, job.seed)
    enhance = partial(enhanced_photos, start=start, network=trained.restorer, texture=setting.texture)
    row = {
        "name": setting.name,
        "photos": setting.photos,
        "seed": job.seed,
        **bench.scorer.pairs(enhance, photos.tests),
        **bench.scorer.sets(enhance, sample),
        "macs": multiply_adds_per_pixel(trained.restorer),
        "steps": trained.steps,
        "seconds": round(trained.seconds, 1),
        "log": trained.log,
    }
    weights = {name: w.float().cpu().numpy().copy() for name, w in trained.restorer.state_dict().items()}
    return {"rows": [row], "pictures": _pictures(photos, [(setting.name, enhance)]), "weights": weights}


def run_yardsticks(name: str, seed: int, bench: Bench) -> dict[str, Any]:
    """Score a baseline, which needs no training."""
    photos, sample = bench.photo_set(name, seed)
    start = bench.started(name, seed)
    dped = bench.plan.photos / "weights/iphone_orig.npz" if name.startswith("iphone") else None
    named = list(yardsticks(photos, start, dped))
    rows = []
    for label, enhance in named if seed == 0 or name == "city100" else named[2:4]:
        figures = bench.scorer.pairs(enhance, photos.tests) | bench.scorer.sets(enhance, sample)
        rows.append({"name": label, "photos": name, "seed": seed, **figures})
    shown = _pictures(photos, [named[0], *named[2:]])
    truths = [truth for _, truth in photos.tests[:: _step(photos)]][:SHOWN_PAIRS]
    shown["pairs"]["truth"] = [truth[:CROP_PX, :CROP_PX] for truth in truths]
    return {"rows": rows, "pictures": shown, "weights": {}}


def _step(photos: PhotoSet) -> int:
    return max(1, len(photos.tests) // SHOWN_PAIRS)


def _pictures(photos: PhotoSet, named: list) -> dict[str, dict[str, list[np.ndarray]]]:
    """Return test pairs, and the larger crops of the camera's photos that determine their colour."""
    tests = [source for source, _ in photos.tests[:: _step(photos)]][:SHOWN_PAIRS]
    crops = photos.source.pixels[:: max(1, len(photos.source.pixels) // SHOWN_CROPS)][:SHOWN_CROPS]
    return {
        "pairs": {name: [p[:CROP_PX, :CROP_PX] for p in enhance(tests)] for name, enhance in named},
        "crops": {name: [p[:CROP_PX, :CROP_PX] for p in enhance(crops)] for name, enhance in named},
    }


def work(plan: Plan, jobs: Any, results: Any) -> None:
    """Run a worker: take jobs until none is left, or too little time."""
    torch.set_num_threads(plan.threads)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = False  # what must be exact is in float32, the rest in bfloat16
    bench = Bench(plan)
    while True:
        try:
            job = jobs.get(timeout=1)
        except queue.Empty:
            break
        if plan.deadline - time.time() < SCORING_S + 3:
            break
        began = time.time()
        try:
            if job.setting.name == YARDSTICKS:
                result = run_yardsticks(job.setting.photos, job.seed, bench)
            else:
                result = run_job(job, bench)
        except Exception:
            result = {"rows": [], "pictures": {}, "weights": {}, "error": traceback.format_exc()}
        results.put((job, time.time() - began, result))
    results.put(None)
