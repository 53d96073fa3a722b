"""The sheet shows every variant of every photo: whole, and untouched pixels of its middle."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from pipeline.evaluation.contact_sheet import CELL_PX, GAP_PX, cell, draw_pair, draw_sheet


@pytest.fixture
def large() -> np.ndarray:
    return np.asarray(Image.fromarray(data.astronaut()).resize((1600, 1200)))


def test_a_cell_keeps_a_small_photo_and_the_middle_at_1_to_1(large):
    shown = cell(large, "PSNR 20.00 dB")
    crop = np.asarray(shown.crop)
    height, width = crop.shape[:2]
    top, left = (1200 - height) // 2, (1600 - width) // 2
    assert shown.small.size == (CELL_PX, CELL_PX * 3 // 4)
    assert np.array_equal(crop, large[top : top + height, left : left + width])


def test_a_photo_smaller_than_a_cell_is_not_enlarged():
    assert cell(data.astronaut()[:100, :100], "").small.size == (100, 100)


def test_the_sheet_has_a_column_per_variant_and_a_row_per_photo(large):
    row = {name: cell(large, name) for name in ("untouched", "enhanced", "truth")}
    one, two = draw_sheet({"a": row}), draw_sheet({"a": row, "b": row})
    assert one.width == two.width == GAP_PX + 3 * (CELL_PX + GAP_PX)
    assert one.height < two.height < 2 * one.height
    # The last crop of the last column is there, pixel for pixel.
    crop = np.asarray(row["truth"].crop)
    left = GAP_PX + 2 * (CELL_PX + GAP_PX)
    pixels = np.asarray(two)[:, left : left + crop.shape[1]]
    assert any(np.array_equal(pixels[y : y + len(crop)], crop) for y in range(one.height // 2, len(pixels)))


def test_photos_without_truth_leave_its_place_empty(large):
    bare = {"untouched": cell(large, ""), "enhanced": cell(large, "")}
    sheet = draw_sheet({"with": bare | {"truth": cell(large, "")}, "without": bare})
    lower = np.asarray(sheet)[sheet.height // 2 + 40 :, -CELL_PX:]
    assert (lower == 255).all()


def test_a_pair_puts_before_left_and_after_right(large):
    pair = np.asarray(draw_pair(np.zeros_like(large), np.full_like(large, 200)))
    assert pair[10, 10].tolist() == [0, 0, 0]
    assert pair[10, -10].tolist() == [200, 200, 200]
