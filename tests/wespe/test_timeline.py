"""Decisions over time: means worked out by hand, no mean over a cut, and which changes are cuts."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from skimage import data

from wespe.timeline import Track, change, flattened, line_weights, rebuilt, weighted


class Inner(NamedTuple):
    gain: torch.Tensor


class Outer(NamedTuple):
    inner: Inner
    lut: torch.Tensor


def decision(value: float) -> Outer:
    return Outer(Inner(torch.full((1, 1), value)), torch.full((1, 3, 2), 10 * value))


def test_the_weighted_sum_of_nested_decisions() -> None:
    mean = weighted([0.25, 0.75], [decision(0.0), decision(4.0)])
    assert isinstance(mean, Outer)
    assert isinstance(mean.inner, Inner)
    assert mean.inner.gain.item() == 3
    assert mean.lut.tolist() == torch.full((1, 3, 2), 30.0).tolist()


def test_flattened_and_back() -> None:
    tensors = flattened(decision(2.0))
    assert [tensor.shape for tensor in tensors] == [(1, 1), (1, 3, 2)]
    assert torch.equal(rebuilt(decision(0.0), tensors).lut, decision(2.0).lut)
    assert flattened(None) == []
    assert rebuilt(None, []) is None


def track(values: list[float], shots: list[int] | None = None, every_s: float = 0.5) -> Track:
    times = [every_s * number for number in range(len(values))]
    return Track(times_s=times, shots=shots or [0] * len(values), decisions=[decision(v) for v in values])


def test_triangular_weights_by_hand() -> None:
    """At 0.75 s with a reach of 1 s, the decisions at 0, 0.5, 1 and 1.5 s weigh 1, 3, 3, 1 quarters."""
    found = track([8.0, 0.0, 16.0, 8.0, 100.0]).at(0.75, shot=0, half_s=1.0)
    assert found.inner.gain.item() == pytest.approx((8 + 3 * 0 + 3 * 16 + 8) / 8)


def test_a_drift_is_followed_without_delay() -> None:
    """Protects: exposure that changes steadily is followed, neither late nor early."""
    drift = track([0.1 * number for number in range(41)], every_s=0.25)
    for time_s in (2.0, 5.0, 7.5):
        assert drift.at(time_s, shot=0).inner.gain.item() == pytest.approx(0.4 * time_s, abs=1e-5)


def test_a_drift_is_followed_at_the_ends_too() -> None:
    """A mean would be 0.33 s late there; the line is 0.05 s late, since 1/100 s² is added to 1/18 s²."""
    drift = track([0.01 * number for number in range(401)], every_s=0.01)
    assert drift.at(4.0, shot=0).inner.gain.item() == pytest.approx(3.95, abs=0.005)
    assert drift.at(0.0, shot=0).inner.gain.item() == pytest.approx(0.05, abs=0.005)


def test_weights_of_a_line_by_hand() -> None:
    """Kernel 1 and 0.5, that is 2/3 and 1/3; centre −1/6, spread 1/18 + 1/100."""
    spread = 1 / 18 + 0.01
    wanted = [2 / 3 * (1 + (1 / 6) * (1 / 6) / spread), 1 / 3 * (1 + (1 / 6) * (-1 / 3) / spread)]
    assert line_weights([0.0, -0.5], 1.0) == pytest.approx(wanted)
    assert line_weights([0.3], 1.0) == [1]


def test_jitter_is_reduced() -> None:
    values = np.random.default_rng(0).normal(0, 1, 200).tolist()
    jittery = track(values, every_s=0.04)
    found = [jittery.at(0.04 * number, shot=0).inner.gain.item() for number in range(30, 170)]
    assert np.abs(np.diff(found)).mean() < 0.05 * np.abs(np.diff(values)).mean()


def test_no_mean_over_a_cut() -> None:
    two = track([1.0, 1.0, 5.0, 5.0], shots=[0, 0, 1, 1])
    assert two.at(0.9, shot=0).inner.gain.item() == pytest.approx(1)
    assert two.at(1.0, shot=1).inner.gain.item() == pytest.approx(5)


def test_far_from_any_decision_the_nearest_of_the_shot_counts() -> None:
    sparse = Track(
        times_s=[0.0, 10.0, 12.0], shots=[0, 0, 1], decisions=[decision(v) for v in (1.0, 2.0, 3.0)]
    )
    assert sparse.at(8.0, shot=0).inner.gain.item() == 2
    assert sparse.at(12.0, shot=1).inner.gain.item() == 3


def small(photo: np.ndarray) -> torch.Tensor:
    nchw = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
    return torch.nn.functional.adaptive_avg_pool2d(nchw, (36, 64))


def test_what_is_a_cut() -> None:
    """Protects: exposure, a flash and a fast pan are no cuts; another scene is one."""
    cat, cup = data.chelsea(), data.coffee()
    assert change(small(cat), small(cup)).is_cut
    assert not change(small(cat), small(cat)).is_cut
    brighter = np.clip(cat * 1.6, 0, 255).astype(np.uint8)
    assert not change(small(cat), small(brighter)).is_cut
    assert not change(small(cat[:, :400]), small(cat[:, 30:430])).is_cut
    assert change(small(np.zeros_like(cat)), small(cup)).is_cut
    assert not change(small(np.zeros_like(cat)), small(np.zeros_like(cat))).is_cut


def test_changes_by_hand() -> None:
    """A quarter of the pixels goes from black to white; planes that are each other's negative."""
    before = torch.zeros(1, 3, 4, 4)
    after = before.clone()
    after[..., :1, :] = 1
    assert change(before, after).levels == pytest.approx(0.25)
    assert change(after, 1 - after).structure == pytest.approx(2, abs=1e-5)
    assert change(before, after).structure == 1
