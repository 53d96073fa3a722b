"""Chooses the frames of a film from which a model can learn: sharp ones that show something new."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
NEW = 8.0  # levels by which luma differs on average from the last chosen frame; by noise it differs by 1 to 3


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """A frame of a film, upright, uint8; time_s from its beginning. luma, sharpness: of the reduced frame."""

    time_s: float
    photo_hwc: np.ndarray
    luma: np.ndarray
    sharpness: float


def sampled_frames(film: Path, every_s: float, most: int) -> Iterator[Sampled]:
    """Yield the sharpest frame of each `every_s` seconds that differs from the one before; at most `most`.

    In a long film the seconds are stretched, so that frames come from all of it. Sharpness is the mean
    gradient: of two frames of one scene, motion blur lowers it. One frame is kept in memory. Raises FilmError
    if the film cannot be read.
    """
    window_s = max(every_s, _length_s(film) / most)
    chosen, last, best = 0, None, None
    for window, frame in _candidates(film, window_s):
        if best is not None and window > int(best.time_s / window_s):
            yield best
            chosen, last, best = chosen + 1, best, None
            if chosen == most:
                return
        is_new = last is None or np.abs(frame.luma - last.luma).mean() >= NEW
        if is_new and (best is None or frame.sharpness > best.sharpness):
            best = frame
    if best is not None:
        yield best


def _length_s(film: Path) -> float:
    """Return a film's length as its header states it, 0 if it does not."""
    with opened(film) as container:
        rate = rate_of(pictures(container)[0])
    return expected_frames(film) / float(rate)


def _candidates(film: Path, window_s: float) -> Iterator[tuple[int, Sampled]]:
    converter, first_s = None, 0.0
    for frame in frames(film, Damage()):
        pts_s = float(frame.pts * frame.time_base)
        if converter is None:
            converter, first_s = Converter(colours_of(frame)), pts_s
        luma = _luma(converter.reduced(frame, *SMALL))
        photo_hwc = turned(converter.rgb(frame), rotation(frame))
        found = Sampled(time_s=pts_s - first_s, photo_hwc=photo_hwc, luma=luma, sharpness=_sharpness(luma))
        yield int(found.time_s / window_s), found


def _luma(photo_hwc: np.ndarray) -> np.ndarray:
    return photo_hwc.mean(axis=2, dtype=np.float32)


def _sharpness(luma: np.ndarray) -> float:
    return float(np.abs(np.diff(luma, axis=0)).mean() + np.abs(np.diff(luma, axis=1)).mean())
