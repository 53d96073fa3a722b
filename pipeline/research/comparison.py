"""Presets against each other, over several seeds, on folders of photos: for research, without any engine.

Every preset is trained on the same patches, in this process, and scored on pairs that training never sees,
beside the untouched photo and the histogram match. The seed nearest to the target is told without pairs.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from pipeline.errors import PipelineError
from pipeline.evaluation.set_distances import Distances, SetJudge
from pipeline.files import write_atomically
from pipeline.layout import FEATURES
from pipeline.logs import Progress
from pipeline.models.model_folder import Model, save_model
from pipeline.params import Preset
from pipeline.patches.patches import Patches, cut, positions
from pipeline.photos.formats import is_photo
from pipeline.photos.images import read_photo
from pipeline.seeds import seed_of
from pipeline.training.content_weights import fetch_features
from wespe import training
from wespe.batch import Batch, photos_nchw
from wespe.guard import Diverged, Guard
from wespe.histogram_match import HistogramMatch
from wespe.learner import Learner
from wespe.methods import METHODS, build_method
from wespe.metrics.full_reference import is_degenerate, ms_ssim_dped, psnr
from wespe.networks.features import read_weights

POOLED = 50  # photos whose squared errors DPED's code pools before the logarithm
Enhance = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How much to train, the same for every preset.

    log_every: steps between two readings of the losses, which is also how often the guard looks.
    """

    steps: int
    batch_size: int
    patches: Patches
    seeds: Sequence[int]
    log_every: int = 50


@dataclass(frozen=True)
class Scores:
    """Of one way to enhance, on all test pairs; dB are means over photos, and over pools of 50."""

    psnr: float
    psnr_pooled: float
    ms_ssim_dped: float


@dataclass(frozen=True)
class Data:
    """Patches (n, s, s, 3) uint8 to learn from; aligned pairs to learn from and to be judged by."""

    source: np.ndarray
    target: np.ndarray
    pairs: tuple[np.ndarray, np.ndarray] | None
    tests: Sequence[tuple[np.ndarray, np.ndarray]]
    yardstick: HistogramMatch


@dataclass
class Row:
    """One line of the table: all seeds of one preset; `failed` has the reason of each that gave no model.

    chosen: the place of the seed whose enhanced patches are nearest to the target's; no pair was asked.
    """

    name: str
    scores: list[Scores] = field(default_factory=list)
    distances: list[Distances] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    chosen: int | None = None
    minutes: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def read_data(
    patches: Patches,
    source: Sequence[Path],
    target: Sequence[Path],
    pairs: tuple[Path, Path] | None,
    tests: tuple[Path, Path],
) -> Data:
    """Read folders of photos. Raises PipelineError, PhotoError."""
    sources, targets = _photos(source), _photos(target)
    judged = [
        (photo, truth)
        for photo, truth in zip(*_aligned(*tests), strict=True)
        if not is_degenerate(photo, truth)
    ]
    if len({photo.shape for photo, _ in judged}) > 1:
        raise PipelineError(
            f"{tests[0]} holds photos of several sizes; cut them to one, to be scored together"
        )
    return Data(
        source=_cut(patches, sources),
        target=_cut(patches, targets),
        pairs=None if pairs is None else _cut_pairs(patches, *pairs),
        tests=judged,
        yardstick=HistogramMatch.fit(sources.values(), targets.values()),
    )


def compare(presets: Mapping[str, Preset], settings: Settings, data: Data, out: Path) -> list[Row]:
    """Train and score every preset with every seed; after each, write what is known into `out`."""
    paired = [name for name, preset in presets.items() if METHODS[preset.method.name].method.paired]
    if paired and data.pairs is None:
        raise PipelineError(f"preset {paired[0]} needs --pairs: two folders of photos with the same names")
    judge = SetJudge(data.source, data.target)
    yardsticks: dict[str, Enhance] = {
        "untouched": lambda photo_hwc: photo_hwc,
        "histogram match": data.yardstick.enhance,
    }
    rows = [
        Row(name, [score(enhance, data.tests)], [judge.judge(enhance)])
        for name, enhance in yardsticks.items()
    ]
    out.mkdir(parents=True, exist_ok=True)
    for name, preset in presets.items():
        rows.append(row := Row(name))
        for seed in settings.seeds:
            _train_and_score(row, preset, seed, settings, data, judge, out)
            _write(out, settings, rows)
    return rows


def score(enhance: Enhance, tests: Sequence[tuple[np.ndarray, np.ndarray]]) -> Scores:
    """Score one way to enhance on uint8 pairs of one size."""
    enhanced = [enhance(photo) for photo, _ in tests]
    truths = [truth for _, truth in tests]
    errors = [
        float(np.square(photo.astype(np.float64) - truth).mean())
        for photo, truth in zip(enhanced, truths, strict=True)
    ]
    pools = [errors[start : start + POOLED] for start in range(0, len(errors), POOLED)]
    return Scores(
        psnr=statistics.mean(psnr(photo, truth) for photo, truth in zip(enhanced, truths, strict=True)),
        psnr_pooled=statistics.mean(10 * np.log10(255**2 / np.mean(pool)) for pool in pools),
        ms_ssim_dped=ms_ssim_dped(np.stack(enhanced), np.stack(truths)),
    )


def table(rows: Sequence[Row]) -> str:
    """Markdown, one line a preset: mean over seeds ± standard deviation."""
    columns = ["PSNR per image", "PSNR pooled per 50", "MS-SSIM (DPED's)", "colour distance"]
    columns += ["texture distance", "seeds", "nearest seed", "minutes each"]
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for row in rows:
        cells = [
            _spread([getattr(scores, name) for scores in row.scores], digits)
            for name, digits in (("psnr", 2), ("psnr_pooled", 2), ("ms_ssim_dped", 3))
        ]
        cells += [_spread([getattr(one, name) for one in row.distances], 2) for name in ("colour", "texture")]
        failed = f", {len(row.failed)} failed" if row.failed else ""
        cells.append(f"{len(row.scores)}{failed}" if row.minutes or row.failed else "")
        best = row.chosen
        cells.append("" if best is None else f"{row.seeds[best]}: {row.scores[best].psnr:.2f} dB")
        cells.append(_spread(row.minutes, 1) if row.minutes else "")
        lines.append(f"| {row.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _train_and_score(
    row: Row, preset: Preset, seed: int, settings: Settings, data: Data, judge: SetJudge, out: Path
) -> None:
    began = time.monotonic()
    try:
        model = _train(f"{row.name}, seed {seed}", preset, seed, settings, data, out)
    except Diverged as error:
        row.failed.append(str(error))
        print(f"{row.name}, seed {seed}: {error}", flush=True)
        return
    row.minutes.append((time.monotonic() - began) / 60)
    row.scores.append(score(model.enhance, data.tests))
    row.distances.append(judge.judge(model.enhance))
    row.seeds.append(seed)
    row.chosen = judge.nearest(row.distances)
    save_model(out / "models" / f"{row.name}-{seed}", model.generator, preset.method, {"seed": seed})


def _train(title: str, preset: Preset, seed: int, settings: Settings, data: Data, out: Path) -> Model:
    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    weights = _feature_weights(preset, out)
    method = build_method(preset.method, size_px=settings.patches.size_px, features=weights).to(device)
    learner = Learner(method, preset.learner)
    records = training.train(
        learner,
        _batches(METHODS[preset.method.name].method.paired, seed, settings, data, device),
        Guard(preset.guard, learner),
        steps=settings.steps,
        due=lambda step: step % settings.log_every == 0,
    )
    progress = Progress(title, settings.steps, "steps")
    for record in records:
        progress.update(int(record["step"]) - progress.done, training.describe(record))
    return Model(learner.generator.eval(), {}, "")


def _feature_weights(preset: Preset, out: Path) -> dict[str, torch.Tensor] | None:
    content = getattr(preset.method, "content", None)
    if content is None:
        return None
    fetch_features("comparison", content, out)
    return read_weights(out / FEATURES, content)


def _batches(paired: bool, seed: int, settings: Settings, data: Data, device: str) -> Iterator[Batch]:
    """Endless; each patch flipped and turned at random, pairs alike."""
    rng = np.random.default_rng(seed_of(seed, "comparison"))
    source, target = data.pairs if paired and data.pairs else (data.source, data.target)
    while True:
        turns = [rng.integers(0, 8, settings.batch_size) for _ in range(2)]
        chosen = [rng.integers(0, len(one), settings.batch_size) for one in (source, target)]
        if paired:
            turns[1], chosen[1] = turns[0], chosen[0]
        photos, truths = (
            np.stack([_turn(one[i], turn) for i, turn in zip(picks, ways, strict=True)])
            for one, picks, ways in zip((source, target), chosen, turns, strict=True)
        )
        yield Batch(
            photos_nchw(torch.from_numpy(photos), device),
            photos_nchw(torch.from_numpy(truths), device),
            settings.batch_size,
        )


def _turn(patch_hwc: np.ndarray, turn: int) -> np.ndarray:
    turned = np.rot90(patch_hwc, turn % 4)
    return turned[:, ::-1] if turn >= 4 else turned


def _photos(folders: Sequence[Path]) -> dict[str, np.ndarray]:
    """Read folders, by the folder's name and the photo's without its suffix."""
    found: dict[str, Path] = {}
    for folder in map(Path.resolve, folders):
        for path in sorted(path for path in folder.rglob("*") if is_photo(path.name)):
            name = path.relative_to(folder.parent).with_suffix("").as_posix()
            if name in found:
                raise PipelineError(f"{path} and {found[name]} are named alike; rename one, or its folder")
            found[name] = path
    if not found:
        raise PipelineError(f"no photo in {', '.join(map(str, folders))}; name folders of photos")
    return {name: read_photo(path) for name, path in found.items()}


def _aligned(folder: Path, truths: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Photos of two folders by their names."""
    first, second = (
        {name.partition("/")[2]: one for name, one in _photos([f]).items()} for f in (folder, truths)
    )
    names = sorted(first.keys() & second.keys())
    if not names:
        raise PipelineError(f"{folder} and {truths} share no name; aligned photos must be named alike")
    for name in names:
        if first[name].shape != second[name].shape:
            raise PipelineError(f"{folder / name} and {truths / name} differ in size; pairs must be aligned")
    return [first[name] for name in names], [second[name] for name in names]


def _cut(patches: Patches, photos: Mapping[str, np.ndarray]) -> np.ndarray:
    pieces = [
        cut(photo, places, patches.size_px)
        for name, photo in photos.items()
        if (places := positions(patches, name, photo.shape[1], photo.shape[0]))
    ]
    if not pieces:
        raise PipelineError(f"no photo is as large as a patch of {patches.size_px} px")
    return np.concatenate(pieces)


def _cut_pairs(patches: Patches, folder: Path, truths: Path) -> tuple[np.ndarray, np.ndarray]:
    sides = [{str(i): photo for i, photo in enumerate(side)} for side in _aligned(folder, truths)]
    return _cut(patches, sides[0]), _cut(patches, sides[1])


def _write(out: Path, settings: Settings, rows: Sequence[Row]) -> None:
    content = {
        "steps": settings.steps,
        "batch_size": settings.batch_size,
        "size_px": settings.patches.size_px,
        "rows": [
            {
                "name": row.name,
                "scores": [vars(s) for s in row.scores],
                "distances": [vars(d) for d in row.distances],
                "seeds": row.seeds,
                "nearest_seed": None if row.chosen is None else row.seeds[row.chosen],
                "minutes": row.minutes,
                "failed": row.failed,
            }
            for row in rows
        ],
    }
    write_atomically(out / "scores.json", json.dumps(content, indent=1).encode() + b"\n")
    write_atomically(out / "table.md", table(rows).encode() + b"\n")


def _spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return "–"
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{spread}"
