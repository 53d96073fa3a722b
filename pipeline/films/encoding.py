"""Encodes segments of a film, each a file of its own that begins with a key frame."""

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.films.first_pass import Film
from pipeline.video.colours import Converter
from pipeline.video.formats import Codec
from pipeline.video.library import pyav

SEGMENT_SUFFIX, UNFINISHED = ".segment", ".unfinished"


def encode_segment(
    path: Path, photos_hwc: Iterable[np.ndarray], film: Film, codec: Codec, crf: int, container: str
) -> None:
    """Write frames, numbered from 0; their times are set when segments are joined into the container."""
    part, converter, pixels = path.with_suffix(UNFINISHED), Converter(film.colours), pixel_format(film)
    with pyav().open(str(part), "w", format=segment_format(container)) as out:
        stream = _stream(out, film, codec, crf, pixels, container)
        for number, photo_hwc in enumerate(photos_hwc):
            frame = converter.yuv(photo_hwc, pixels)
            frame.pts, frame.time_base = number, stream.codec_context.time_base
            frame.pict_type = 0  # the encoder's choice
            tag(frame, film)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    os.replace(part, path)


def segment_format(container: str) -> str:
    """Return the format of segments: AVI and the others hold H.264 in two different ways."""
    return "avi" if container == "avi" else "mp4"


def pixel_format(film: Film) -> str:
    """Return 4:2:0, which every player shows; it needs even sides."""
    return "yuv444p" if film.width % 2 or film.height % 2 else "yuv420p"


def tag(target: Any, film: Film) -> None:
    """Set the film's colour tags on a frame or an encoder."""
    tags = film.colours.tags
    target.color_range, target.colorspace = tags.range, tags.matrix
    target.color_trc, target.color_primaries = tags.transfer, tags.primaries


def _stream(out: Any, film: Film, codec: Codec, crf: int, pixels: str, container: str) -> Any:
    options = {**dict(codec.options), "crf": str(crf)}
    if container == "avi":  # it cannot express that frames are stored in another order than shown
        options["bf"] = "0"
    rate = Fraction(*film.rate)
    stream = out.add_stream(codec.encoder, rate=rate, options=options)
    stream.width, stream.height, stream.pix_fmt = film.width, film.height, pixels
    stream.codec_context.time_base = 1 / rate
    stream.codec_context.sample_aspect_ratio = Fraction(*film.aspect)
    tag(stream.codec_context, film)
    return stream
