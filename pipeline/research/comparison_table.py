"""The scores of a comparison as Markdown and JSON, one row per preset."""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np

from pipeline.evaluation.target_distance import Distances
from pipeline.files import write_atomically
from pipeline.research.comparison_photos import Pair
from wespe.metrics.full_reference import ms_ssim_dped, psnr, psnr_best_affine
from wespe.metrics.self_checks import noise_gain

POOLED = 50  # photos whose squared errors DPED's code pools before the logarithm
COLUMNS = (
    "PSNR per image",
    "PSNR pooled per 50",
    "best affine",
    "MS-SSIM (DPED's)",
    "LPIPS",
    "noise gain",
    "colour distance",
    "texture distance",
    "probe",
    "seeds",
    "nearest seed",
    "steps",
    "minutes each",
    "s for 12 MP",
)
SEVERAL_SIZES = (
    "The test photos have several sizes. MS-SSIM (DPED's) averages over a batch of one size: here it is the "
    "mean over sizes, weighted by their photos, and not comparable with published figures."
)
SHOWN = {  # name → digits
    "psnr": 2,
    "psnr_pooled": 2,
    "psnr_best_affine": 2,
    "ms_ssim_dped": 3,
    "lpips": 4,
    "noise_gain": 2,
}
FullReference = Callable[[np.ndarray, np.ndarray], float]
Enhance = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Scores:
    """Scores of one method on all test pairs; dB are means over photos, and over pools of 50.

    psnr_best_affine: PSNR after the best affine change of each photo's colours. lpips: None without weights.
    noise_gain: noise in flat areas, relative to the untouched photo.
    """

    psnr: float
    psnr_pooled: float
    psnr_best_affine: float
    ms_ssim_dped: float
    noise_gain: float
    lpips: float | None = None


@dataclass
class Row:
    """One line of the table: all seeds of one preset. failed: reasons of failed seeds.

    probes: see wespe/metrics/two_samples.py; without weights none.
    chosen: index of the seed whose enhanced patches are closest to the target's; chosen without pairs.
    steps: length of the training. minutes: what each seed took. seconds: what a photo of 12 megapixels takes.
    """

    name: str
    scores: list[Scores] = field(default_factory=list)
    distances: list[Distances] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    chosen: int | None = None
    steps: int | None = None
    minutes: list[float] = field(default_factory=list)
    seconds: float | None = None
    failed: list[str] = field(default_factory=list)


def score(enhance: Enhance, tests: Sequence[Pair], lpips: FullReference | None = None) -> Scores:
    """Score one method on uint8 pairs, photo by photo."""
    enhanced = [(enhance(photo), truth) for photo, truth in tests]
    errors = [float(np.square(photo.astype(np.float64) - truth).mean()) for photo, truth in enhanced]
    pools = [errors[start : start + POOLED] for start in range(0, len(errors), POOLED)]
    return Scores(
        psnr=statistics.mean(psnr(*pair) for pair in enhanced),
        psnr_pooled=statistics.mean(10 * np.log10(255**2 / np.mean(pool)) for pool in pools),
        psnr_best_affine=statistics.mean(psnr_best_affine(*pair) for pair in enhanced),
        ms_ssim_dped=_ms_ssim_dped(enhanced),
        noise_gain=statistics.mean(
            noise_gain(photo, source) for (photo, _), (source, _) in zip(enhanced, tests, strict=True)
        ),
        lpips=statistics.mean(lpips(*pair) for pair in enhanced) if lpips else None,
    )


def table(rows: Sequence[Row], tests: Sequence[Pair]) -> str:
    """Format as Markdown, one line per preset: mean over seeds ± standard deviation."""
    lines = [f"| | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [f"| {row.name} | {' | '.join(_cells(row))} |" for row in rows]
    if len({photo.shape for photo, _ in tests}) > 1:
        lines += ["", SEVERAL_SIZES]
    return "\n".join(lines)


def write_table(out: Path, rows: Sequence[Row], tests: Sequence[Pair], size_px: int) -> None:
    """Write table.md, and scores.json with the scores of every seed."""
    content = {"size_px": size_px, "rows": [_record(row) for row in rows]}
    write_atomically(out / "scores.json", json.dumps(content, indent=1).encode() + b"\n")
    write_atomically(out / "table.md", table(rows, tests).encode() + b"\n")


def _ms_ssim_dped(pairs: Sequence[Pair]) -> float:
    ordered = sorted(pairs, key=lambda pair: pair[0].shape)
    total = 0.0
    for _, group in groupby(ordered, key=lambda pair: pair[0].shape):
        photos, truths = map(np.stack, zip(*group, strict=True))
        total += len(photos) * ms_ssim_dped(photos, truths)
    return total / len(pairs)


def _cells(row: Row) -> list[str]:
    cells = [
        _spread([value for scores in row.scores if (value := getattr(scores, name)) is not None], digits)
        for name, digits in SHOWN.items()
    ]
    cells += [_spread([getattr(one, name) for one in row.distances], 2) for name in ("colour", "texture")]
    cells.append(_spread(row.probes, 3))
    failed = f", {len(row.failed)} failed" if row.failed else ""
    cells.append(f"{len(row.scores)}{failed}" if row.minutes or row.failed else "")
    best = row.chosen
    cells.append("" if best is None else f"{row.seeds[best]}: {row.scores[best].psnr:.2f} dB")
    cells.append("" if row.steps is None else str(row.steps))
    cells.append(_spread(row.minutes, 1) if row.minutes else "")
    cells.append("" if row.seconds is None else f"{row.seconds:.3g}")
    return cells


def _record(row: Row) -> dict:
    record = asdict(row)
    chosen = record.pop("chosen")
    return record | {"nearest_seed": None if chosen is None else row.seeds[chosen]}


def _spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return "–"
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{spread}"
