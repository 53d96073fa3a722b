"""The table of scores: written by evaluation; read by registry, report and summary."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import PipelineError
from pipeline.evaluation.variants import VARIANTS
from pipeline.files import write_atomically
from wespe.metrics.interval import Interval, mean_interval

CHANGE = "change"  # enhanced − untouched, photo by photo
LEFT_OUT = b"left_out"  # key in the file's metadata: reasons for missing scores

Summary = dict[str, dict[str, Interval]]  # variant → metric → mean and interval


@dataclass(frozen=True, kw_only=True)
class Score:
    """One score. `photo_id` and `name` are '' for a score of all test photos together."""

    photo_id: str
    name: str
    variant: str
    metric: str
    value: float


def write_scores(path: Path, scores: Iterable[Score], left_out: Mapping[str, str] | None = None) -> None:
    """Write one Parquet row per score, and reasons for missing scores, atomically."""
    file = pa.BufferOutputStream()
    table = pa.Table.from_pylist([asdict(score) for score in scores])
    reasons = json.dumps(dict(left_out or {})).encode()
    pq.write_table(table.replace_schema_metadata({LEFT_OUT: reasons}), file)
    write_atomically(path, file.getvalue().to_pybytes())


def read_scores(path: Path) -> list[Score]:
    """Read the rows that `write_scores` wrote. Raises PipelineError."""
    try:
        return [Score(**row) for row in pq.read_table(path).to_pylist()]
    except (OSError, pa.ArrowException, TypeError) as error:
        raise _unreadable(path, error) from None


def read_left_out(path: Path) -> dict[str, str]:
    """Read the reasons for missing scores by name. Raises PipelineError."""
    try:
        metadata = pq.read_schema(path).metadata or {}
        return json.loads(metadata.get(LEFT_OUT, b"{}"))
    except (OSError, pa.ArrowException, ValueError) as error:
        raise _unreadable(path, error) from None


def by_photo(scores: Iterable[Score], variant: str, metric: str) -> dict[str, float]:
    """Return photo id → value; a score of the whole set has the id ''."""
    return {s.photo_id: s.value for s in scores if s.variant == variant and s.metric == metric}


def summarise(scores: list[Score]) -> Summary:
    """Return means with 95 % intervals over photos, per variant, and the change, paired by photo.

    Metrics without values are left out.
    """
    metrics = list(dict.fromkeys(score.metric for score in scores))
    table = {v: {m: by_photo(scores, v, m) for m in metrics} for v in VARIANTS}
    before, after = table["untouched"], table["enhanced"]
    table[CHANGE] = {m: {i: after[m][i] - before[m][i] for i in before[m] if i in after[m]} for m in metrics}
    return {
        variant: {metric: mean_interval(values.values()) for metric, values in row.items() if values}
        for variant, row in table.items()
    }


def _unreadable(path: Path, error: Exception) -> PipelineError:
    reason = str(error).splitlines()[0]
    return PipelineError(f"{path} cannot be read ({reason}); restore it with `dvc repro`")
