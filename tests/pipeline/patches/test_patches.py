"""Positions follow from the photo's id alone, and never leave the photo."""

import numpy as np
import pytest

from pipeline.patches.patches import Patches, cut, number_of_positions, positions


def test_positions_depend_on_the_id_and_on_nothing_else() -> None:
    patches = Patches(size_px=20, per_photo=5)
    first = positions(patches, "aa", 100, 80)
    assert first == positions(patches, "aa", 100, 80)
    assert first != positions(patches, "ab", 100, 80)


def test_random_places_are_different_and_inside() -> None:
    places = positions(Patches(size_px=20, per_photo=300), "aa", 40, 36)
    assert len(set(places)) == len(places) == 300
    assert {y for y, _ in places} == set(range(17))
    assert {x for _, x in places} <= set(range(21))


def test_a_photo_of_exactly_one_patch_gives_one() -> None:
    assert positions(Patches(size_px=20, per_photo=300), "aa", 20, 20) == [(0, 0)]


def test_a_photo_smaller_than_a_patch_gives_none() -> None:
    assert positions(Patches(size_px=20, per_photo=3), "aa", 19, 400) == []


def test_a_stride_covers_the_photo_by_a_grid() -> None:
    places = positions(Patches(size_px=20, stride_px=10), "aa", 40, 30)
    assert places == [(y, x) for y in (0, 10) for x in (0, 10, 20)]


@pytest.mark.parametrize("size", [(40, 36), (20, 20), (21, 300), (19, 90)])
@pytest.mark.parametrize("settings", [{"per_photo": 300}, {"stride_px": 7}, {"stride_px": 1}])
def test_positions_are_counted_without_choosing_them(settings: dict, size: tuple[int, int]) -> None:
    patches = Patches(size_px=20, **settings)
    assert number_of_positions(patches, *size) == len(positions(patches, "aa", *size))


def test_cut_takes_the_pixels_at_the_places() -> None:
    photo = np.arange(30 * 40 * 3).reshape(30, 40, 3).astype(np.uint8)
    patches = cut(photo, [(3, 5), (14, 24)], 16)
    assert np.array_equal(patches[1], photo[14:30, 24:40])


@pytest.mark.parametrize(
    "settings",
    [{}, {"per_photo": 3, "stride_px": 3}, {"per_photo": 0}, {"size_px": 8, "per_photo": 3}],
)
def test_invalid_settings_are_rejected(settings: dict) -> None:
    with pytest.raises(ValueError, match=r"must be|give either"):
        Patches(**settings)
