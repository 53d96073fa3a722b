"""Compares presets over several seeds, on folders of photos.

Every preset is trained by the same loop as a camera, on patches in memory, and scored on held-out pairs. The
untouched photo, the histogram match and every preset before training are scored as well.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from pipeline.errors import PipelineError
from pipeline.evaluation.target_distance import TargetDistance
from pipeline.layout import FEATURES
from pipeline.models.model_files import save_model
from pipeline.models.model_folder import Model, load_model
from pipeline.params import Preset
from pipeline.patches.patches import Patches
from pipeline.research.comparison_photos import Data, Pair
from pipeline.research.comparison_table import Enhance, Row, score, write_table
from pipeline.training.content_weights import fetch_features
from pipeline.training.memory_context import MemoryContext
from pipeline.training.rank import train
from pipeline.training.run import Run
from wespe.guard import DivergenceError
from wespe.methods import METHODS
from wespe.metrics.lpips import Lpips
from wespe.metrics.probe import Probe
from wespe.metrics.two_samples import FOLDS, PATCHES, auc

TIMED_STEPS = 4
SIDE_PX = 1_000  # of the photo whose time is measured


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a comparison; None uses each preset's own value.

    minutes: length of each training on an idle machine, instead of a number of steps.
    starts: also score every preset before training, so that the table shows the effect of training.
    lpips: the score, which needs weights; None leaves it and the probe out.
    """

    patches: Patches
    seeds: Sequence[int]
    steps: int | None = None
    batch_size: int | None = None
    minutes: float | None = None
    starts: bool = True
    lpips: Lpips | None = None

    def __post_init__(self) -> None:
        for name, lowest in (("steps", 0), ("batch_size", 1)):
            value = getattr(self, name)
            if value is not None and value < lowest:
                raise ValueError(f"{name} must be at least {lowest}, not {value}")
        if self.minutes is not None and self.steps is not None:
            raise ValueError("give either steps or minutes")
        if self.minutes is not None and self.minutes <= 0:
            raise ValueError(f"minutes must be above 0, not {self.minutes}")


def compare(presets: Mapping[str, Preset], settings: Settings, data: Data, out: Path) -> list[Row]:
    """Train and score every preset with every seed; update the table in `out` after each."""
    if data.pairs is None and (paired := paired_presets(presets)):
        raise PipelineError(f"preset {paired[0]} needs --pairs: two folders of photos with the same names")
    distance = TargetDistance(data.source, data.target)
    enough = min(len(set(photos)) for photos in data.photos) >= FOLDS
    probe = _probe(settings.lpips, data) if settings.lpips and enough else None
    yardsticks: dict[str, Enhance] = {
        "untouched": lambda photo_hwc: photo_hwc,
        "histogram match": data.yardstick.enhance,
    }
    rows = [
        Row(
            name,
            [score(enhance, data.tests, settings.lpips)],
            [distance.measure(enhance)],
            [probe(enhance)] if probe else [],
        )
        for name, enhance in yardsticks.items()
    ]
    out.mkdir(parents=True, exist_ok=True)
    for name, variant in _variants(presets, settings).items():
        preset = _within_budget(variant, settings, data, out)
        rows.append(row := Row(name, steps=preset.training.steps))
        for seed in settings.seeds:
            if model := _train_and_score(row, preset, seed, settings, data, distance, out):
                row.probes += [probe(model.enhance)] if probe else []
            write_table(out, rows, data.tests, settings.patches.size_px)
    return rows


def paired_presets(presets: Mapping[str, Preset]) -> list[str]:
    """Return the presets whose method learns from aligned pairs."""
    return [name for name, preset in presets.items() if METHODS[preset.method.name].method.paired]


def _variants(presets: Mapping[str, Preset], settings: Settings) -> dict[str, Preset]:
    """Return all presets with the desired number of steps, each preceded by a variant without training."""
    variants: dict[str, Preset] = {}
    wanted = {"steps": settings.steps, "batch_size": settings.batch_size}
    for name, preset in presets.items():
        training = replace(preset.training, **{k: v for k, v in wanted.items() if v is not None})
        if settings.starts and training.steps:
            variants[f"{name}-start"] = replace(preset, training=replace(training, steps=0))
        variants[name] = replace(preset, training=training)
    return variants


def _within_budget(preset: Preset, settings: Settings, data: Data, out: Path) -> Preset:
    """Return the preset with as many steps as take `settings.minutes`, judging by the time of a few."""
    if settings.minutes is None or not preset.training.steps:
        return preset
    times: list[float] = []
    few = replace(preset, training=replace(preset.training, steps=TIMED_STEPS))
    _train("timed", few, 0, settings, data, out, watch=lambda step: times.append(_clock_s()))
    step_s = (times[-1] - times[1]) / (TIMED_STEPS - 1)  # the first step is slower
    steps = max(1, round(60 * settings.minutes / step_s))
    return replace(preset, training=replace(preset.training, steps=steps))


def _clock_s() -> float:
    """Return seconds; on CPUs those of the processor, so that other work on the machine counts little."""
    return time.monotonic() if torch.cuda.is_available() else time.process_time() / torch.get_num_threads()


def _train_and_score(
    row: Row, preset: Preset, seed: int, settings: Settings, data: Data, distance: TargetDistance, out: Path
) -> Model | None:
    """Return the model; None if its training diverged."""
    began = time.monotonic()
    try:
        model = _train(f"{row.name}-{seed}", preset, seed, settings, data, out)
    except DivergenceError as error:
        row.failed.append(str(error))
        print(f"{row.name}, seed {seed}: {error}", flush=True)
        return None
    row.minutes.append((time.monotonic() - began) / 60)
    row.seconds = row.seconds or _seconds_for_12_mp(model.enhance, data.tests)
    row.scores.append(score(model.enhance, data.tests, settings.lpips))
    row.distances.append(distance.measure(model.enhance))
    row.seeds.append(seed)
    row.chosen = distance.nearest(row.distances)
    return model


def _seconds_for_12_mp(enhance: Enhance, tests: Sequence[Pair]) -> float:
    """Measure one megapixel, composed of a test photo; the first call is slower and does not count."""
    piece = np.resize(tests[0][0][:SIDE_PX, :SIDE_PX], (SIDE_PX, SIDE_PX, 3))
    enhance(piece)
    began = time.perf_counter()
    enhance(piece)
    return 12e6 / SIDE_PX**2 * (time.perf_counter() - began)


def _learned_from(
    run: Run, data: Data
) -> tuple[np.ndarray, np.ndarray, tuple[Sequence[str], Sequence[str]] | None]:
    """Return what the method sees of both sets, and the photo of each patch; None if all are of their own."""
    if run.paired:
        pairs = data.whole_pairs if run.whole_photos else data.pairs
        assert pairs is not None, "checked before"
        return *pairs, None
    return (*data.whole, None) if run.whole_photos else (data.source, data.target, data.photos)


def _probe(lpips: Lpips, data: Data) -> Callable[[Enhance], float]:
    """Return a function that measures how well enhanced patches of the source are told from the target's."""
    probe = Probe(lpips.features, lpips.device)
    source, target = (
        patches[_spread(photos)]
        for patches, photos in zip((data.source, data.target), data.photos, strict=True)
    )
    known = probe.describe(target)
    return lambda enhance: auc(probe.describe(np.stack([enhance(patch) for patch in source])), known)


def _spread(photos: Sequence[str]) -> np.ndarray:
    """Return the numbers of PATCHES patches of each photo, as `auc` needs them."""
    names = np.array(photos)
    numbers = [np.flatnonzero(names == name) for name in dict.fromkeys(photos)]
    places = np.linspace(0, 1, PATCHES)
    return np.concatenate([found[(places * (len(found) - 1)).round().astype(int)] for found in numbers])


def _train(
    name: str,
    preset: Preset,
    seed: int,
    settings: Settings,
    data: Data,
    out: Path,
    watch: Callable[[int], None] | None = None,
) -> Model:
    """Train a preset like a camera, and load the resulting model.

    watch: called with each step, instead of showing progress.
    """
    run = Run(
        camera=name,
        target="comparison",
        data={},
        size_px=settings.patches.size_px,
        method=preset.method,
        learner=preset.learner,
        guard=preset.guard,
        training=replace(preset.training, seed=seed),
    )
    source, target, photos = _learned_from(run, data)
    fetch_features("comparison", getattr(preset.method, "content", None), out)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    context = MemoryContext(run, source, target, whole=data.whole, photos=photos, device=device)
    if watch:
        context.watch = watch  # type: ignore[method-assign, assignment]
    generator = train(run, context, out / FEATURES)
    folder = out / "models" / name
    save_model(folder, generator, preset.method, {"seed": seed, "steps": run.training.steps})
    return load_model(folder, device)
