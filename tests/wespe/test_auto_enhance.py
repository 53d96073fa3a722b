"""The one-button yardstick: no cast, full contrast, and nothing strange on photos that have neither."""

import numpy as np
import pytest
from skimage import data

from wespe.auto_enhance import auto_enhance
from wespe.metrics.planes import luma


def test_a_cast_goes_and_the_contrast_is_full():
    weak = (data.coffee() * np.array([0.6, 0.4, 0.3]) + 30).astype(np.uint8)
    enhanced = auto_enhance(weak)
    means = enhanced.mean(axis=(0, 1))
    assert np.ptp(weak.mean(axis=(0, 1))) > 30 > 10 > np.ptp(means)
    assert luma(enhanced).std() > 2 * luma(weak).std()
    assert np.percentile(luma(enhanced), 1) < 15
    assert np.percentile(luma(enhanced), 99) > 230


def test_local_contrast_leaves_the_chroma_alone():
    grey = np.repeat(data.camera()[..., None], 3, axis=2)
    assert np.ptp(auto_enhance(grey), axis=2).max() == 0


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flat_photo_stays_as_it_is(level):
    flat = np.full((40, 50, 3), level, np.uint8)
    assert np.array_equal(auto_enhance(flat), flat)


def test_shape_and_type_are_those_of_the_photo_also_when_it_is_tiny():
    for size in ((100, 100), (7, 31), (1, 1)):
        enhanced = auto_enhance(data.rocket()[: size[0], : size[1]])
        assert (enhanced.shape, enhanced.dtype) == ((*size, 3), np.uint8)
