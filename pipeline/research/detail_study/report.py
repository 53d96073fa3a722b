"""Writes the study's results: a table of means over seeds, and sheets of pictures at twice their size."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

COLUMNS = (
    "lpips",
    "lpips_first_50",
    "psnr",
    "ms_ssim",
    "noise",
    "truth_auc_squeezenet1_1",
    "set_auc_squeezenet1_1",
    "set_auc_vgg19",
    "set_texture",
    "set_noise",
    "steps",
    "seconds",
)
GAP, CAPTION = 4, 14
MOST_COLUMNS, MOST_SIDE, SMALL = 16, 16000, 200
FIRST_COLUMNS = ("untouched", "start", "truth", "DPED (paired)")

Row = Mapping[str, object]


def write_table(folder: Path, rows: Sequence[Row]) -> str:
    """Write all rows to results.json; write and return results.md with means and deviations over seeds."""
    _write(folder / "results.json", json.dumps(list(rows), indent=1))
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((str(row["photos"]), str(row["name"])), []).append(row)
    lines = [
        "| photos | setting | seeds | " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * (3 + len(COLUMNS)),
    ]
    for (photos, name), group in sorted(groups.items(), key=lambda item: item[0][0]):
        cells = [_cell([float(row[c]) for row in group if c in row]) for c in COLUMNS]  # type: ignore[arg-type]
        lines.append(f"| {photos} | {name} | {len(group)} | " + " | ".join(cells) + " |")
    text = "\n".join(lines) + "\n"
    _write(folder / "results.md", text)
    return text


def _cell(values: Sequence[float]) -> str:
    if not values:
        return ""
    spread = f" ± {np.std(values, ddof=1):.2g}" if len(values) > 1 else ""
    return f"{np.mean(values):.4g}{spread}"


def _write(path: Path, text: str) -> None:
    """Write atomically, since a run may be terminated at any time."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def write_sheet(path: Path, columns: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Draw one column of photos per name; all photos have the same shape."""
    names = sorted(columns, key=_place)[:MOST_COLUMNS]
    shape = columns[names[0]][0].shape[:2]
    height, width = (side * (2 if side < SMALL else 1) for side in shape)
    rows = min(len(columns[names[0]]), (MOST_SIDE - CAPTION) // (height + GAP))
    sheet = Image.new("RGB", ((width + GAP) * len(names), CAPTION + (height + GAP) * rows), "white")
    draw = ImageDraw.Draw(sheet)
    for x, name in enumerate(names):
        draw.text((x * (width + GAP), 1), name, fill="black")
        for y, photo in enumerate(columns[name][:rows]):
            large = Image.fromarray(photo).resize((width, height), Image.Resampling.BICUBIC)
            sheet.paste(large, (x * (width + GAP), CAPTION + y * (height + GAP)))
    sheet.save(path, quality=90, subsampling=0)


def _place(name: str) -> int:
    return FIRST_COLUMNS.index(name) if name in FIRST_COLUMNS else len(FIRST_COLUMNS)
