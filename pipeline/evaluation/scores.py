"""Scores of test photos as rows: written by evaluation, read by the registry and the summary."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import PipelineError
from pipeline.evaluation.settings import VARIANTS
from pipeline.files import write_atomically
from wespe.metrics.bootstrap import mean_interval

GAIN = "gain"  # enhanced − untouched, photo by photo
COLOUR_DISTANCE, TEXTURE_DISTANCE = "colour_distance", "texture_distance"
PSNR_POOLED = "psnr_pooled"
# What a variant did to its source, so the untouched photo has none of them. The gates read them.
SELF_CHECKS = (
    "fidelity",
    "noise_gain",
    "colour_correlation",
    "contrast_ratio",
    "tile_difference",
    "megapixels_per_s",
)

Summary = dict[str, dict[str, dict[str, float]]]  # variant → metric → mean, low, high


@dataclass(frozen=True, kw_only=True)
class Score:
    """One value. `photo_id` and `name` are '' for a score of all test photos together."""

    photo_id: str
    name: str
    variant: str
    metric: str
    value: float


def write_scores(path: Path, scores: Iterable[Score]) -> None:
    """Write one Parquet row per score, whole or not at all."""
    file = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist([asdict(score) for score in scores]), file)
    write_atomically(path, file.getvalue().to_pybytes())


def read_scores(path: Path) -> list[Score]:
    """Read back what `write_scores` wrote. Raises PipelineError."""
    try:
        return [Score(**row) for row in pq.read_table(path).to_pylist()]
    except (OSError, pa.ArrowException, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise PipelineError(f"{path} cannot be read ({reason}); make it again with `dvc repro`") from None


def by_photo(scores: Iterable[Score], variant: str, metric: str) -> dict[str, float]:
    """Return photo id → value; a score of the whole set has the id ''."""
    return {s.photo_id: s.value for s in scores if s.variant == variant and s.metric == metric}


def summarise(scores: list[Score]) -> Summary:
    """Return means with 95 % bootstrap intervals over photos, per variant, and the paired gain.

    A score of the whole set has no interval: its low and high are the value. A metric that a variant lacks is
    missing there, and has no gain if the untouched photo lacks it.
    """
    metrics = list(dict.fromkeys(score.metric for score in scores))
    table = {v: {m: by_photo(scores, v, m) for m in metrics} for v in VARIANTS}
    before, after = table["untouched"], table["enhanced"]
    table[GAIN] = {m: {i: after[m][i] - before[m][i] for i in before[m] if i in after[m]} for m in metrics}
    return {
        variant: {metric: mean_interval(list(values.values())) for metric, values in row.items() if values}
        for variant, row in table.items()
    }
