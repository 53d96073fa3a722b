"""Flicker worked out by hand: only static places count, and what the source does too is no fault."""

import pytest
import torch

from wespe.metrics.flicker import LEAST_LEVELS, FlickerMeter


def grey(level: float, size: int = 16) -> torch.Tensor:
    return torch.full((1, 3, size, size), level / 255)


def test_a_result_that_jumps_by_a_level() -> None:
    meter = FlickerMeter()
    for number in range(5):
        meter.update(grey(100), grey(120 + number % 2))
    assert meter.result.luma == pytest.approx(1, abs=1e-4)
    assert meter.result.chroma == pytest.approx(0, abs=1e-4)
    assert meter.result.noise == pytest.approx(0.5**0.5, abs=1e-4)
    assert meter.source.luma == 0
    assert meter.result.over(meter.source).luma == pytest.approx((1 + LEAST_LEVELS) / LEAST_LEVELS, rel=1e-3)


def test_the_same_film_has_ratio_1() -> None:
    random, meter = torch.Generator().manual_seed(0), FlickerMeter()
    for _ in range(4):
        frame = 0.5 + 0.01 * torch.rand(1, 3, 24, 24, generator=random)
        meter.update(frame, frame)
    ratio = meter.result.over(meter.source)
    assert ratio[:3] == pytest.approx((1, 1, 1))
    assert ratio.static == 1


def test_moving_places_do_not_count() -> None:
    """The left half of the source moves; the result flickers there alone."""
    meter = FlickerMeter()
    for number in range(3):
        source, result = grey(100), grey(100)
        source[..., :8] += 0.2 * (number % 2)
        result[..., :8] += 0.3 * (number % 2)
        meter.update(source, result)
    assert meter.result.luma == pytest.approx(0, abs=1e-4)
    assert meter.result.static == 0.5


def test_chroma_by_hand() -> None:
    """Blue changes by 10 levels: luma by 1.14, Cb by 10 (1 − 0.114) / 1.772, Cr by −1.14 / 1.402."""
    meter, other = FlickerMeter(), grey(100)
    other[:, 2] += 10 / 255
    meter.update(grey(100), grey(100))
    meter.update(grey(100), other)
    assert meter.result.luma == pytest.approx(1.14, abs=1e-3)
    assert meter.result.chroma == pytest.approx((8.86 / 1.772 + 1.14 / 1.402) / 2, abs=1e-3)


def test_nothing_is_compared_over_a_cut() -> None:
    meter = FlickerMeter()
    meter.update(grey(100), grey(100))
    meter.cut()
    meter.update(grey(101), grey(180))
    assert meter.result == (0, 0, 0, 0)
