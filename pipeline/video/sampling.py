"""Chooses the frames of a film from which a model can learn: sharp ones that show something new."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.video.colours import Converter, colours_of
from pipeline.video.reading import (
    Damage,
    expected_frames,
    frames,
    opened,
    pictures,
    rate_of,
    rotation,
    turned,
)

SMALL = (72, 128)  # height and width at which frames are compared
NEW = 8.0  # levels by which luma differs on average from the last chosen frame; chosen on one real film


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """A frame of a film, upright, uint8; time_s as the film counts."""

    time_s: float
    photo_hwc: np.ndarray


class _Candidate(NamedTuple):
    """A frame as PyAV gives it, and its reduced luma."""

    time_s: float
    luma: np.ndarray
    sharpness: float
    frame: Any


def sampled_frames(
    film: Path, every_s: float, most: int, seen: Callable[[], None] = lambda: None
) -> Iterator[Sampled]:
    """Yield the sharpest frame of each `every_s` seconds that differs from the one before; at most `most`.

    In a long film the seconds are stretched, so that frames come from all of it. Sharpness is the mean
    gradient: of two frames of one scene, motion blur lowers it. One frame is kept in memory. seen: called for
    every frame. Raises FilmError if the film cannot be read.
    """
    window_s = max(every_s, _length_s(film) / most)
    chosen: _Candidate | None = None
    best: _Candidate | None = None
    count, converter = 0, None
    for frame in frames(film, Damage()):
        converter = converter or Converter(colours_of(frame))
        candidate = _candidate(frame, converter)
        seen()
        if best and int(candidate.time_s / window_s) > int(best.time_s / window_s):
            yield _upright(best, converter)
            count, chosen, best = count + 1, best, None
        if count == most:
            return
        is_new = chosen is None or np.abs(candidate.luma - chosen.luma).mean() >= NEW
        if is_new and (best is None or candidate.sharpness > best.sharpness):
            best = candidate
    if best and converter:
        yield _upright(best, converter)


def _candidate(frame: Any, converter: Converter) -> _Candidate:
    luma = converter.reduced(frame, *SMALL).mean(axis=2, dtype=np.float32)
    sharpness = sum(float(np.abs(np.diff(luma, axis=axis)).mean()) for axis in (0, 1))
    return _Candidate(float(frame.pts * frame.time_base), luma, sharpness, frame)


def _upright(candidate: _Candidate, converter: Converter) -> Sampled:
    photo_hwc = turned(converter.rgb(candidate.frame), rotation(candidate.frame))
    return Sampled(time_s=candidate.time_s, photo_hwc=photo_hwc)


def _length_s(film: Path) -> float:
    """Return a film's length as its header states it, 0 if it does not."""
    with opened(film) as container:
        rate = rate_of(pictures(container)[0])
    return expected_frames(film) / float(rate)
