"""Reads the frames of a film; broken ones are left out and counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import FilmError
from pipeline.video.library import pyav

CUT_SHARE = 0.9  # of the promised frames; sound that is longer than the pictures counts as theirs


@dataclass
class Damage:
    """What is wrong with a film's frames."""

    broken: int = 0
    doubled: int = 0

    def warnings(self, found: int, expected: int) -> tuple[str, ...]:
        """Describe it. found, expected: frames that there are, and that the header promises."""
        cut = found < CUT_SHARE * expected - 1
        texts = {
            f"{self.broken} broken packets were repaired: the frame before is shown longer": self.broken,
            f"{self.doubled} frames without a time of their own were left out": self.doubled,
            f"it holds {found} of about {expected} frames, and seems to have been cut off": cut,
        }
        return tuple(text for text, true in texts.items() if true)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a film. Raises FilmError if it cannot be read, or has no picture."""
    av = pyav()
    try:
        container = av.open(str(path), metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise FilmError(
            f"cannot be read as a film ({error.strerror}); it may have been cut off while it was recorded"
        ) from None
    with container:
        if not pictures(container):
            raise FilmError("holds no moving pictures; name a film")
        yield container


def pictures(container: Any) -> list[Any]:
    """Return the streams of moving pictures; a cover is none."""
    covers = pyav().stream.Disposition.attached_pic
    return [one for one in container.streams.video if not one.disposition & covers]


def frames(path: Path, damage: Damage, start_pts: int | None = None) -> Iterator[Any]:
    """Yield the frames of the first moving picture with pts, in order; from `start_pts` on.

    Raises FilmError if frames have different sizes.
    """
    last, size = None, None
    for frame in _decoded(path, damage, start_pts):
        if last is not None and frame.pts <= last:
            damage.doubled += 1
            continue
        if size not in (None, (frame.width, frame.height)):
            raise FilmError(
                f"changes its size to {frame.width}×{frame.height} on the way; cut it there first"
            )
        last, size = frame.pts, (frame.width, frame.height)
        if start_pts is None or frame.pts >= start_pts:
            yield frame


def _decoded(path: Path, damage: Damage, start_pts: int | None) -> Iterator[Any]:
    """Decode all frames; with `start_pts`, at least those from it on."""
    with opened(path) as container:
        stream = pictures(container)[0]
        stream.thread_type = "AUTO"
        if start_pts is not None:
            container.seek(start_pts, stream=stream)
        late = start_pts is not None
        for frame in _packet_by_packet(container, stream, damage):
            if late and frame.pts > start_pts:
                break  # the index was wrong
            late = False
            yield frame
    if late:
        yield from _decoded(path, damage, None)


def _packet_by_packet(container: Any, stream: Any, damage: Damage) -> Iterator[Any]:
    errors = pyav().error
    packets = container.demux(stream)
    seen = 0
    while True:
        try:
            packet = next(packets, None)  # the last one is empty, and flushes the decoder
            flushed = packet is None
        except errors.FFmpegError:
            packet, flushed = None, False  # the file ends here
        if flushed:
            return
        try:
            decoded = stream.decode(packet)
        except errors.FFmpegError:
            damage.broken, decoded = damage.broken + 1, []
        for frame in decoded:
            seen += 1
            damage.broken += bool(frame.is_corrupt)
            # AVI only holds the order of frames; FFmpeg guesses their times, and may be two frames late.
            if (frame.pts is None or container.format.name == "avi") and frame.dts is not None:
                frame.pts = frame.dts
            elif frame.pts is None:
                frame.pts = seen - 1
            yield frame
        if packet is None:
            return


def expected_frames(path: Path) -> int:
    """Return about how many frames a film has, as its header says; 0 if it does not."""
    with opened(path) as container:
        stream = pictures(container)[0]
        if stream.frames:
            return int(stream.frames)
        if container.duration is None or not stream.average_rate:
            return 0
        return round(container.duration / pyav().time_base * stream.average_rate)


def rotation(frame: Any) -> int:
    """Return by how many quarter turns, counter-clockwise, a frame is turned to be upright."""
    return round(frame.rotation / 90) % 4 if frame.rotation % 90 == 0 else 0


def turned(photo_hwc: np.ndarray, quarters: int) -> np.ndarray:
    """Turn a photo counter-clockwise."""
    return np.ascontiguousarray(np.rot90(photo_hwc, quarters)) if quarters % 4 else photo_hwc


def display_matrix(frame: Any) -> tuple[int, ...] | None:
    """Return how players turn and flip the frames, nine numbers; None for not at all."""
    kind = pyav().sidedata.sidedata.Type.DISPLAYMATRIX
    found = [bytes(one) for one in frame.side_data if one.type == kind]
    return tuple(np.frombuffer(found[0], np.int32).tolist()) if found else None


def rate_of(stream: Any) -> Fraction:
    """Return frames per second, on average."""
    return stream.average_rate or stream.guessed_rate or Fraction(25)
