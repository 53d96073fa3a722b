"""The yardstick is the textbook's CDF matching, fitted on sets and applied to any photo."""

import numpy as np
import pytest
from skimage import data
from skimage.exposure import match_histograms

from wespe.histogram_match import HistogramMatch

SOURCES = [data.astronaut()[:200, :300], data.chelsea()[:200, :300]]
TARGETS = [data.coffee()[:200, :300], data.rocket()[:200, :300]]


def test_agrees_with_scikit_image_on_the_pooled_pixels():
    pooled = np.concatenate(SOURCES)
    # As floats: on uint8 scikit-image truncates instead of rounding.
    reference = match_histograms(pooled.astype(float), np.concatenate(TARGETS).astype(float), channel_axis=-1)
    ours = HistogramMatch.fit(SOURCES, TARGETS).enhance(pooled)
    assert np.abs(ours - reference).max() <= 0.5 + 1e-9  # rounding alone


def test_undoes_a_known_tone_curve():
    truth = data.coffee()
    darker = np.rint(255 * (truth / 255) ** 1.5).astype(np.uint8)
    restored = HistogramMatch.fit([darker], [truth]).enhance(darker)
    before, after = (np.abs(p.astype(float) - truth).mean() for p in (darker, restored))
    assert before > 20
    assert after < 2


def test_curves_are_monotone_and_also_serve_levels_never_seen():
    match = HistogramMatch.fit([np.full((4, 4, 3), 90, np.uint8)], TARGETS)
    assert (np.diff(match.curves.astype(int)) >= 0).all()
    assert match.enhance(np.full((2, 2, 3), 255, np.uint8)).dtype == np.uint8


def test_large_and_small_photos_have_the_same_weight():
    small, large = np.zeros((2, 2, 3), np.uint8), np.full((200, 200, 3), 100, np.uint8)
    spread = HistogramMatch.fit([small, large], [np.arange(256, dtype=np.uint8)[:, None, None].repeat(3, 2)])
    assert spread.curves[0, 0] == pytest.approx(127, abs=1)  # half of the mass lies at level 0


def test_an_empty_set_is_refused():
    with pytest.raises(ValueError, match="at least one photo"):
        HistogramMatch.fit([], TARGETS)
