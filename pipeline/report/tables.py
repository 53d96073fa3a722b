"""Writes reports/tables.md: the paper's tables in its layout, with its values and ours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from pipeline import layout
from pipeline.evaluation.scores import Summary
from pipeline.evaluation.variants import VARIANT_NAMES
from pipeline.files import write_atomically
from pipeline.layout import CONFIG, CameraPaths
from pipeline.report.camera_page import read_json
from pipeline.report.paper import (
    APE,
    AVERAGE,
    CAMERAS,
    DIGITS,
    ORIGINAL,
    SCORES,
    SUPERVISED,
    TABLES,
    TO_DIV2K,
    TO_DPED,
    YARDSTICKS,
    YARDSTICKS_TITLE,
    Table,
)
from pipeline.report.rendering import number

MISSING = "not measured here"
NOTES = """# The paper's tables, printed and ours

*Printed* values are from Ignatov et al., *WESPE*, CVPR Workshops 2018. *Our* values were measured by
`dvc repro` with the models of this checkout, on the test photos of cameras named after a row (such as
`iphone`, `iphone-dped`).

- APE, Apple's Photo Enhancer, is not available; its column contains `auto_enhance` (grey world, autocontrast,
  CLAHE) instead.
- [13] is DPED, trained on pairs: ours is a camera whose method is `dped`.
- WESPE [DPED] and WESPE [DIV2K]: ours are cameras of the method `wespe` whose target's name contains `dped`
  or `div2k`.
- What the paper calls SSIM is DPED's MS-SSIM; our values are MS-SSIM as well. The paper does not say how it
  averages PSNR; ours is the mean over photos.
- CORNIA was trained by this project: compare its values with each other, not with the printed ones.
- FFS is this project's own rater, if one was trained; the paper's rater has an accuracy of 68.75 %.
"""


@dataclass(frozen=True, kw_only=True)
class CameraScores:
    """One camera's mean scores, and its target and method."""

    camera: str
    target: str
    method: str
    summary: Summary

    def mean(self, variant: str, score: str) -> float | None:
        found = [self.summary.get(variant, {}).get(metric) for metric in SCORES[score]]
        return next((interval["mean"] for interval in found if interval), None)


def write_tables(cameras: Iterable[str]) -> None:
    """Write reports/tables.md for all evaluated cameras. Raises PipelineError."""
    measured = [_measured(camera) for camera in layout.reported_cameras(cameras)]
    tables = [_table(table, measured) for table in TABLES]
    parts = [NOTES, tables[0], _yardsticks(), *tables[1:], _all_cameras(measured)]
    layout.REPORTS.mkdir(exist_ok=True)
    write_atomically(layout.TABLES, "\n".join(parts).encode())


def _measured(camera: str) -> CameraScores:
    paths = CameraPaths(camera=camera)
    config = read_json(paths.model / CONFIG, {})
    return CameraScores(
        camera=camera,
        target=config.get("target", ""),
        method=config.get("method", {}).get("name", ""),
        summary=read_json(paths.intervals),
    )


def _table(table: Table, measured: Sequence[CameraScores]) -> str:
    heads = [f"{column} {score}" for column in table.columns for score in table.scores]
    rows: list[list[str]] = []
    ours: list[list[float | None]] = []
    for name, printed in table.rows.items():
        cameras = [entry for entry in measured if _row_of(entry.camera) == name]
        ours.append(_average(ours) if name == AVERAGE else _ours(table, cameras))
        rows.append([name, "printed", *_figures(table, printed)])
        rows.append(["", *_our_row(_figures(table, ours[-1]), [entry.camera for entry in cameras])])
    return f"## Table {table.number}: {table.title}\n\n{_markdown([table.corner, '', *heads], rows)}"


def _our_row(figures: list[str], cameras: list[str]) -> list[str]:
    if set(figures) == {MISSING}:
        return [f"ours: {MISSING}", *("–" for _ in figures)]
    return [f"ours: {', '.join(cameras)}" if cameras else "ours", *figures]


def _ours(table: Table, cameras: Sequence[CameraScores]) -> list[float | None]:
    return [_value(column, score, cameras) for column in table.columns for score in table.scores]


def _value(column: str, score: str, cameras: Sequence[CameraScores]) -> float | None:
    """Return the value of the first camera that belongs in the column."""
    variant = {ORIGINAL: "untouched", APE: "auto_enhance"}.get(column, "enhanced")
    standing = [c for c in cameras if variant != "enhanced" or _stands_for(c, column)]
    found = [camera.mean(variant, score) for camera in standing]
    return next((value for value in found if value is not None), None)


def _stands_for(camera: CameraScores, column: str) -> bool:
    if column == SUPERVISED:
        return camera.method == "dped"
    return camera.method == "wespe" and {TO_DPED: "dped", TO_DIV2K: "div2k"}[column] in camera.target.lower()


def _row_of(camera: str) -> str | None:
    """Return the row with the longest match to a camera's name, so that iphone-6 is not iphone."""
    names = {name: row for row, aliases in CAMERAS.items() for name in aliases}
    fitting = [name for name in names if camera.lower() == name or camera.lower().startswith(f"{name}-")]
    return names[max(fitting, key=len)] if fitting else None


def _average(rows: Sequence[list[float | None]]) -> list[float | None]:
    """Return the means of columns; None if a row has no value."""
    return [_mean(column) for column in zip(*rows, strict=True)]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def _figures(table: Table, values: Iterable[float | None]) -> list[str]:
    scores = table.scores * len(table.columns)
    return [
        MISSING if value is None else number(value, DIGITS[score])
        for value, score in zip(values, scores, strict=True)
    ]


def _yardsticks() -> str:
    rows = [[name, "DPED, iPhone", *figures] for name, figures in YARDSTICKS.items()]
    return f"### {YARDSTICKS_TITLE}\n\n{_markdown(['', 'patches', 'PSNR', 'SSIM'], rows)}"


def _all_cameras(measured: Sequence[CameraScores]) -> str:
    """Return a table of all cameras of this checkout and their baselines, in the paper's scores."""
    rows = [
        [f"{m.camera} → {m.target}", VARIANT_NAMES[variant], *(_cell(m, variant, score) for score in SCORES)]
        for m in measured
        for variant in VARIANT_NAMES
        if variant in m.summary
    ]
    table = _markdown(["camera", "photos", *SCORES], rows) if rows else "No camera was evaluated yet.\n"
    return f"## All cameras of this checkout, in the same scores\n\n{table}"


def _cell(measured: CameraScores, variant: str, score: str) -> str:
    value = measured.mean(variant, score)
    return MISSING if value is None else number(value, DIGITS[score])


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, [":--", ":--", *("--:" for _ in heads[2:])], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
