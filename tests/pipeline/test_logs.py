"""The progress line tells the time left as a person would reckon it."""

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


def test_what_was_started_before_the_first_is_not_counted(clock, capsys) -> None:
    """Protects: no "3 days left" because an engine took ten seconds to start."""
    progress = logs.Progress("enhance", 10, "photos", every_s=0)
    for clock[0] in (100.0, 101.0, 102.0):
        progress.update()
    assert list(lines(capsys)) == [
        "enhance  1/10 photos  0/s  -- left",
        "enhance  2/10 photos  1/s  8 s left",
        "enhance  3/10 photos  1/s  7 s left",
    ]


def test_the_time_left_follows_from_the_work_where_things_differ_in_size(clock, capsys) -> None:
    """Protects: large photos come first, and small ones after them take less."""
    progress = logs.Progress("enhance", 4, "photos", every_s=0, work=25, work_unit="MP")
    for clock[0], work in ((5.0, 10), (15.0, 10), (19.0, 4), (20.0, 1)):
        progress.update(work=work)
    assert list(lines(capsys))[1:] == [
        "enhance  2/4 photos  1 MP/s  5 s left",
        "enhance  3/4 photos  1 MP/s  1 s left",
        "enhance  4/4 photos  1 MP/s  in 20 s",
    ]
