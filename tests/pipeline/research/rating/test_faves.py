"""Tables of faves: labels by the median, nobody in two parts, no copies, few excuses."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.errors import TrainingError
from pipeline.models.rater_folder import crop_seed
from pipeline.patches.splits import Split
from pipeline.photos.images import read_photo, write_photo
from pipeline.research.rating.faves import SAME_BITS, fingerprint, read_faves, read_table
from wespe.rater import RaterConfig, cut_crops

SMALL = RaterConfig(crop_px=32, long_side_px=96, width=4, hidden=16)
THIRDS = Split(validation=0.3, test=0.3)


def photo(seed: int) -> np.ndarray:
    """Smooth, so that JPEG leaves its look alone."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((96, 72), Image.Resampling.BICUBIC))


def table(folder: Path, rows: list[tuple[str, object, object]]) -> Path:
    with open(folder / "photos.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["author", "photo", "faves", "views"])
        writer.writerows(["Anna", *row] for row in rows)
    return folder / "photos.csv"


@pytest.fixture
def twenty(tmp_path: Path) -> Path:
    """Photo n has n faves in 100 views."""
    for number in range(20):
        write_photo(tmp_path / f"{number}.png", photo(number))
    return table(tmp_path, [(f"{number}.png", number, 100) for number in range(20)])


def test_labels_are_by_the_median_of_faves_per_view(twenty):
    """Protects: views count too; the median is the whole set's, and all of it is labelled."""
    rows = [(f"{number}.png", number, 100 if number % 2 else 10_000) for number in range(20)]
    faves = read_faves(table(twenty.parent, rows), SMALL, THIRDS, min_views=1)
    ratios = sorted(number / (100 if number % 2 else 10_000) for number in range(20))
    assert faves.median == pytest.approx((ratios[9] + ratios[10]) / 2)
    labels = torch.cat([part.labels for part in faves.parts.values()])
    assert (labels.sum(), len(labels)) == (10, 20)
    crops = {bytes(crop.numpy()): bool(label) for crop, label in _first_crops(faves)}
    for name, number, _ in rows:
        first = cut_crops(read_photo(twenty.parent / name), SMALL, 1, crop_seed(name))[0]
        assert crops[bytes(first.numpy())] == bool(number % 2)


def _first_crops(faves):
    for part in faves.parts.values():
        yield from zip(part.crops[:, 0], part.labels, strict=True)


def test_training_photos_have_one_crop_and_others_five(twenty):
    parts = read_faves(twenty, SMALL, THIRDS, min_views=1).parts
    assert {name: part.crops.shape[1:] for name, part in parts.items()} == {
        "train": (1, 32, 32, 3),
        "validation": (5, 32, 32, 3),
        "test": (5, 32, 32, 3),
    }


@pytest.mark.parametrize("change", ["the same bytes", "half the size", "another quality"])
def test_copies_of_a_photo_are_left_out(twenty, change):
    """Protects: an honest accuracy: no photo is in both training and test."""
    copies = []
    for number in range(5):
        original = Image.open(twenty.parent / f"{number}.png")
        name = f"copy-{number}.jpg"
        if change == "half the size":
            original.resize((48, 36)).save(twenty.parent / name, quality=95)
        elif change == "another quality":
            original.save(twenty.parent / name, quality=60)
        else:
            (twenty.parent / name).write_bytes((twenty.parent / f"{number}.png").read_bytes())
        copies.append((name, 50, 100))
    rows = [(f"{number}.png", number, 100) for number in range(20)]
    faves = read_faves(table(twenty.parent, rows + copies), SMALL, THIRDS, min_views=1)
    assert faves.photos == {"used": 20, "rarely_viewed": 0, "unreadable": 0, "copies": 5}
    assert faves.median == pytest.approx(0.095)


def test_different_photos_look_different(demo_photos):
    looks = [fingerprint(read_photo(path)) for path in demo_photos.iterdir()]
    assert min((a ^ b).bit_count() for a in looks for b in looks if a != b) > 4 * SAME_BITS


def test_adding_photos_moves_few_to_another_part(twenty):
    """Protects: results stay comparable when a table grows."""
    few = table(twenty.parent, [(f"{number}.png", number, 100) for number in range(14)])
    before = read_faves(few, SMALL, THIRDS, min_views=1).parts
    rows = [(f"{number}.png", number, 100) for number in range(20)]
    after = read_faves(table(twenty.parent, rows), SMALL, THIRDS, min_views=1).parts
    kept = sum(
        bytes(crop.numpy()) in {bytes(other.numpy()) for other in after[name].crops[:, 0]}
        for name, part in before.items()
        for crop in part.crops[:, 0]
    )
    assert kept >= 11


def test_photos_that_few_saw_are_left_out_and_counted(twenty):
    rows = [(f"{number}.png", number, 9 if number < 4 else 100) for number in range(20)]
    faves = read_faves(table(twenty.parent, rows), SMALL, THIRDS, min_views=10)
    assert (faves.photos["used"], faves.photos["rarely_viewed"]) == (16, 4)


def test_a_broken_photo_is_left_out_and_many_stop_it(twenty):
    (twenty.parent / "3.png").write_bytes(b"broken")
    assert read_faves(twenty, SMALL, THIRDS, min_views=1).photos["unreadable"] == 1
    (twenty.parent / "4.png").unlink()
    with pytest.raises(TrainingError, match=r"2 of 20 photos cannot be used, first .*3\.png: not a JPEG"):
        read_faves(twenty, SMALL, THIRDS, min_views=1)


def test_a_photo_smaller_than_a_crop_is_named(twenty):
    config = RaterConfig(crop_px=80, long_side_px=96, width=4, hidden=16)
    with pytest.raises(TrainingError, match=r"0\.png: 96×72 px is smaller than a crop of 80 px"):
        read_faves(twenty, config, THIRDS, min_views=1)


@pytest.mark.parametrize("alike", [1, 2])
def test_a_set_without_differences_is_rejected(twenty, alike):
    rows = [(f"{number}.png", 5, 100) for number in range(20)][: 20 if alike == 1 else alike]
    with pytest.raises(TrainingError, match="are too few, or have equal faves per view"):
        read_faves(table(twenty.parent, rows), SMALL, THIRDS, min_views=1)


@pytest.mark.parametrize("row", [("a.png", "x", 1), ("a.png", 1, ""), ("", 1, 1), ("a.png", -1, 1)])
def test_an_invalid_line_is_named(tmp_path, row):
    with pytest.raises(TrainingError, match=r"photos\.csv, line 3: needs a photo, and whole numbers"):
        read_table(table(tmp_path, [("a.png", 1, 2), row]))


def test_a_table_without_its_columns_is_refused(tmp_path):
    (tmp_path / "photos.csv").write_text("photo,likes\n")
    with pytest.raises(TrainingError, match="missing columns faves, views; it needs photo, faves, views"):
        read_table(tmp_path / "photos.csv")
    (tmp_path / "photos.csv").write_bytes(io.BytesIO(b"\xff\xfe").getvalue())
    with pytest.raises(TrainingError, match="cannot be read as CSV"):
        read_table(tmp_path / "photos.csv")
