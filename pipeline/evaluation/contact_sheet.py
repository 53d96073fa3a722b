"""Draws the before/after contact sheet, and single before/after pairs."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

CELL_PX = 320
GAP_PX = 12
LINE_PX = 20
TITLE_PX = 24
PAIR_SIDE_PX = 900
PAPER, INK, FAINT = "#ffffff", "#1c1c1e", "#6e6e73"


@dataclass(frozen=True)
class Cell:
    """One photo on the sheet: reduced in size, and its centre at 1:1."""

    small: Image.Image
    crop: Image.Image
    caption: str


def cell(photo_hwc: np.ndarray, caption: str) -> Cell:
    """Build a cell; the full-size photo is then no longer needed."""
    photo = Image.fromarray(photo_hwc)
    width, height = min(CELL_PX, photo.width), min(CELL_PX * 9 // 16, photo.height)
    left, top = (photo.width - width) // 2, (photo.height - height) // 2
    return Cell(_fit(photo, CELL_PX), photo.crop((left, top, left + width, top + height)), caption)


def draw_sheet(rows: dict[str, dict[str, Cell]]) -> Image.Image:
    """Draw one row per photo, {name: {column: cell}}: the whole photo, and below it the 1:1 crop."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    heights = [_row_height(row) for row in rows.values()]
    size = (GAP_PX + len(columns) * (CELL_PX + GAP_PX), 2 * GAP_PX + TITLE_PX + sum(heights))
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, column in enumerate(columns):
        draw.text((_left(number), GAP_PX), column.replace("_", " "), INK, ImageFont.load_default(17))
    top = GAP_PX + TITLE_PX
    for (name, row), height in zip(rows.items(), heights, strict=True):
        draw.text((GAP_PX, top), name, FAINT, ImageFont.load_default(13))
        for number, column in enumerate(columns):
            if column in row:
                _paste(sheet, row[column], _left(number), top + LINE_PX)
        top += height
    return sheet


def draw_pair(before_hwc: np.ndarray, after_hwc: np.ndarray) -> Image.Image:
    """Draw a photo before and after side by side, each at most `PAIR_SIDE_PX` wide and high."""
    before, after = (_fit(Image.fromarray(photo), PAIR_SIDE_PX) for photo in (before_hwc, after_hwc))
    pair = Image.new("RGB", (before.width + after.width + GAP_PX, before.height), PAPER)
    pair.paste(before, (0, 0))
    pair.paste(after, (before.width + GAP_PX, 0))
    return pair


def _fit(photo: Image.Image, side_px: int) -> Image.Image:
    """Shrink to fit a square; smaller photos do not change."""
    small = photo.copy()
    small.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    return small


def _left(column: int) -> int:
    return GAP_PX + column * (CELL_PX + GAP_PX)


def _row_height(row: dict[str, Cell]) -> int:
    return 2 * LINE_PX + max(c.small.height + c.crop.height for c in row.values()) + 2 * GAP_PX


def _paste(sheet: Image.Image, shown: Cell, left: int, top: int) -> None:
    sheet.paste(shown.small, (left, top))
    below = top + shown.small.height
    ImageDraw.Draw(sheet).text((left, below + 2), shown.caption, INK, ImageFont.load_default(13))
    sheet.paste(shown.crop, (left, below + LINE_PX + 4))
