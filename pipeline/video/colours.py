"""Converts frames between a film's YUV and RGB, by the film's own matrix and range.

FFmpeg converts by BT.601 and limited range unless it is told otherwise, which turns the greens of HD films
yellow and back; here both are always told.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import FilmError
from pipeline.video.library import pyav

# Numbers of ISO/IEC 23091-2, which FFmpeg uses as well.
UNSPECIFIED, BT709, BT601, LIMITED, FULL = 2, 1, 6, 1, 2
UNTAGGED_RANGE = 0
HDR = {16: "HDR10 (PQ)", 18: "HLG"}
# swscale knows the matrices by numbers of its own; those of BT.601 for 50 and 60 Hz are the same.
SWSCALE = {BT709: 1, 4: 4, 5: 5, BT601: 5, 7: 7, 9: 9, 10: 9}
HD_HEIGHT, HD_WIDTH = 576, 1280  # larger is HD: players take BT.709 for films without a tag


@dataclass(frozen=True, kw_only=True)
class ColourTags:
    """A film's colours as its file states them: matrix, range, transfer and primaries."""

    matrix: int
    range: int
    transfer: int
    primaries: int


@dataclass(frozen=True, kw_only=True)
class FilmColours:
    """matrix, full: with which frames are converted. tags: for the result."""

    matrix: int
    full: bool
    tags: ColourTags


def colours_of(frame: Any) -> FilmColours:
    """Read the tags of a frame, and replace missing ones as players do.

    Without a tag, the matrix is BT.709 above 576 lines or from 1280 columns, and BT.601 below and in Motion
    JPEG; the range is limited, except in formats that are always full. Raises FilmError for HDR.
    """
    if frame.color_trc in HDR:
        raise FilmError(
            f"is {HDR[frame.color_trc]}, which models of photos do not know; convert it to SDR (BT.709) first"
        )
    jpeg = frame.format.name.startswith("yuvj")
    full = frame.color_range == FULL or jpeg
    by_size = BT709 if frame.height > HD_HEIGHT or frame.width >= HD_WIDTH else BT601
    untagged = frame.colorspace not in SWSCALE
    matrix = (BT601 if jpeg else by_size) if untagged else frame.colorspace
    tags = ColourTags(
        matrix=UNSPECIFIED if untagged and matrix == by_size else matrix,
        range=FULL if full else frame.color_range,
        transfer=frame.color_trc,
        primaries=frame.color_primaries,
    )
    return FilmColours(matrix=matrix, full=full, tags=tags)


class Converter:
    """Converts the frames of one film; for one thread, since swscale keeps its tables in it."""

    def __init__(self, colours: FilmColours):
        self._colours = colours
        video = pyav().video.reformatter
        self._reformatter = video.VideoReformatter()
        kinds = video.Interpolation
        self._reduced = kinds.AREA
        # Without these, there and back changes luma by 1.7 levels on average; with them, by none.
        self._exact = kinds.AREA | kinds.ACCURATE_RND | kinds.FULL_CHR_H_INT | kinds.FULL_CHR_H_INP

    def rgb(self, frame: Any) -> np.ndarray:
        """Return a frame as photo_hwc, uint8."""
        return self._to_rgb(frame, frame.width, frame.height, self._exact).to_ndarray()

    def reduced(self, frame: Any, height: int, width: int) -> np.ndarray:
        """Return a frame of another size as photo_hwc, uint8, by averaging."""
        return self._to_rgb(frame, width, height, self._reduced).to_ndarray()

    def _to_rgb(self, frame: Any, width: int, height: int, flags: int) -> Any:
        return self._reformatter.reformat(
            frame, width, height, "rgb24",
            src_colorspace=SWSCALE[self._colours.matrix], dst_colorspace=SWSCALE[self._colours.matrix],
            src_color_range=FULL if self._colours.full else LIMITED, dst_color_range=FULL,
            interpolation=flags, threads=1,
        )  # fmt: skip

    def yuv(self, photo_hwc: np.ndarray, pixels: str) -> Any:
        """Return a frame in a YUV pixel format from photo_hwc, uint8."""
        frame = pyav().VideoFrame.from_ndarray(photo_hwc, "rgb24")
        return self._reformatter.reformat(
            frame, format=pixels,
            src_colorspace=SWSCALE[self._colours.matrix], dst_colorspace=SWSCALE[self._colours.matrix],
            src_color_range=FULL, dst_color_range=FULL if self._colours.full else LIMITED,
            interpolation=self._exact, threads=1,
        )  # fmt: skip
