"""The progress line estimates the time left as a person would."""

from collections.abc import Iterator

import pytest

from pipeline import logs


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the test sets."""
    seconds = [0.0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: seconds[0])
    return seconds


def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[str]:
    yield from capsys.readouterr().err.splitlines()


def test_the_first_line_comes_with_the_first_unit_and_estimates_the_time_left(clock, capsys) -> None:
    """Protects: a training with slow steps shows an estimate after its first step."""
    progress = logs.Progress("train", 50, "steps", every_s=10)
    for clock[0] in (60.0, 61.0, 119.0):
        progress.update()
    assert list(lines(capsys)) == [
        "train  1/50 steps  0.0167/s  0:49:00 left",
        "train  3/50 steps  0.0339/s  0:23:06 left",
    ]


def test_what_started_before_the_first_unit_does_not_slow_later_estimates(clock, capsys) -> None:
    """Protects: no "3 days left" because an engine took ten seconds to start."""
    progress = logs.Progress("enhance", 10, "photos", every_s=0)
    for clock[0] in (100.0, 101.0, 102.0):
        progress.update()
    assert list(lines(capsys))[1:] == [
        "enhance  2/10 photos  1/s  8 s left",
        "enhance  3/10 photos  1/s  7 s left",
    ]


def test_a_resumed_run_ignores_earlier_work_in_its_speed(clock, capsys) -> None:
    progress = logs.Progress("train", 100, "steps", start=98)
    for clock[0] in (10.0, 20.0):
        progress.update()
    assert list(lines(capsys)) == [
        "train  99/100 steps  0.1/s  10 s left",
        "train  100/100 steps  0.1/s  in 20 s",
    ]


def test_the_remaining_time_depends_on_work_not_on_units(clock, capsys) -> None:
    """Protects: large photos come first, small ones later take less time."""
    progress = logs.Progress("enhance", 4, "photos", every_s=0, work=25, work_unit="MP")
    for clock[0], work in ((5.0, 10), (15.0, 10), (19.0, 4), (20.0, 1)):
        progress.update(work=work)
    assert list(lines(capsys))[1:] == [
        "enhance  2/4 photos  1 MP/s  5 s left",
        "enhance  3/4 photos  1 MP/s  1 s left",
        "enhance  4/4 photos  1.25 MP/s  in 20 s",
    ]
