"""Joins a film: its enhanced segments, and everything else of the original, copied packet by packet."""

import io
import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from heapq import merge
from itertools import pairwise
from pathlib import Path
from typing import Any

from pipeline.errors import FilmError
from pipeline.films.about import COMMENT, NOTE
from pipeline.films.first_pass import Film
from pipeline.video.formats import CONTAINERS, Codec
from pipeline.video.library import pyav
from pipeline.video.reading import opened, pictures

OWN = ("major_brand", "minor_version", "compatible_brands", "encoder")  # the writer's, not the film's
QUICKTIME = ("mp4", "mov")


def join(
    source: Path, segments: Sequence[Path], film: Film, codec: Codec, note: str, target: Path, container: str
) -> tuple[str, ...]:
    """Write the result to `target`. Return warnings about streams that the container cannot hold."""
    av = pyav()
    with opened(source) as original, av.open(str(segments[0])) as first:
        enhanced = pictures(original)[0]
        others = [one for one in original.streams if one.index != enhanced.index and not _is_chapters(one)]
        kept = {one.index for one in others if _fits(one, container)}
        lost = tuple(
            f"its {one.type} track {one.index} cannot be kept in {container}"
            for one in others
            if one.index not in kept
        )
        options = _options(original, film, container)
        with av.open(str(target), "w", format=container, container_options=options) as out:
            streams = dict[int, Any]()
            for one in original.streams:  # in their order, which players go by
                if one.index == enhanced.index:
                    video = _video_stream(out, first.streams.video[0], one, film, codec, container)
                elif one.index in kept:
                    streams[one.index] = _copy_of(out, one)
            out.metadata.update(_metadata(original, note))
            out.set_chapters(original.chapters())
            frames = _video_packets(segments, film, video)
            both = merge(frames, _other_packets(original, streams), key=lambda one: one[0])
            for _, packet in both:
                out.mux(packet)
    with open(target, "rb") as file:
        os.fsync(file.fileno())
    return lost


def _options(original: Any, film: Film, container: str) -> dict[str, str]:
    if container not in QUICKTIME:
        return {}
    # Keys such as com.apple.quicktime.location are only kept under their own names, which then hold for all.
    named = any(key.startswith("com.") for key in original.metadata)
    flags = "+faststart" + ("+use_metadata_tags" if named else "")
    return {"video_track_timescale": str(film.time_base[1]), "movflags": flags}


def _metadata(original: Any, note: str) -> dict[str, str]:
    kept = {key: value for key, value in original.metadata.items() if key.lower() not in OWN}
    earlier = [line for line in kept.get(COMMENT, "").splitlines() if not line.startswith(NOTE)]
    return kept | {COMMENT: "\n".join([*earlier, note])}


def _video_stream(out: Any, template: Any, original: Any, film: Film, codec: Codec, container: str) -> Any:
    stream = out.add_stream_from_template(template, opaque=True)
    stream.time_base = Fraction(*film.time_base)
    if codec.tag and container in QUICKTIME:
        stream.codec_context.codec_tag = codec.tag
    if film.matrix:
        stream.set_display_matrix(film.matrix)
    _copy_facts(stream, original)
    return stream


def _copy_of(out: Any, original: Any) -> Any:
    stream = out.add_stream_from_template(original, opaque=True)
    _copy_facts(stream, original)
    return stream


def _copy_facts(stream: Any, original: Any) -> None:
    stream.metadata.update({k: v for k, v in original.metadata.items() if k.lower() != "encoder"})
    stream.disposition = original.disposition


def _is_chapters(stream: Any) -> bool:
    """Tell whether a track is how mp4 and mov hold chapters, which are written anew."""
    return stream.type == "data" and stream.frames == len(stream.container.chapters()) > 0


def _fits(stream: Any, container: str) -> bool:
    """Try whether a container takes a stream: what FFmpeg says of itself is not complete."""
    try:
        with pyav().open(io.BytesIO(), "w", format=container) as trial:
            _copy_of(trial, stream)
            trial.start_encoding()
    except (ValueError, OSError, NotImplementedError):
        return False
    return True


def _other_packets(original: Any, streams: dict[int, Any]) -> Iterator[tuple[float, Any]]:
    if not streams:
        return
    latest = 0.0
    packets = original.demux([original.streams[number] for number in streams])
    while True:
        try:
            packet = next(packets, None)
        except pyav().error.FFmpegError:  # the file ends early, which the first pass has told
            return
        if packet is None:
            return
        if not packet.size:
            continue
        if packet.dts is None:  # a cover
            packet.dts = packet.pts or 0
            packet.pts = packet.dts
        latest = max(latest, float(packet.dts * packet.time_base))
        packet.stream = streams[packet.stream.index]
        yield latest, packet


def _video_packets(segments: Sequence[Path], film: Film, stream: Any) -> Iterator[tuple[float, Any]]:
    """Yield the packets of all segments with the film's own times.

    A packet is decoded when the one that many places before it is shown, so that no frame is late.
    """
    base = Fraction(*film.time_base)
    late = max(_latest(path) for path in segments)
    bounds = [*film.segments, len(film.pts)]
    done = 0
    for path, (first, last) in zip(segments, pairwise(bounds), strict=True):
        packets = _packets(path)
        ranks = _ranks(packets)
        if len(packets) != last - first:
            raise FilmError(
                f"{path}: holds {len(packets)} of {last - first} frames; remove it, and run again"
            )
        for packet, rank in zip(packets, ranks, strict=True):
            packet.pts, packet.dts = film.pts[first + rank], _decoding_time(film, done - late)
            packet.time_base, packet.duration = base, film.durations[first + rank]
            packet.stream = stream
            done += 1
            yield float(packet.dts * base), packet


def _decoding_time(film: Film, place: int) -> int:
    if place >= 0:
        return film.pts[place]
    step = film.pts[1] - film.pts[0] if len(film.pts) > 1 else 1
    return film.pts[0] + place * step


def _packets(path: Path) -> list[Any]:
    with pyav().open(str(path)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


def _ranks(packets: Sequence[Any]) -> list[int]:
    """Return each packet's place in the order in which frames are shown."""
    order = sorted(range(len(packets)), key=lambda number: _shown(packets[number]))
    ranks = [0] * len(packets)
    for rank, number in enumerate(order):
        ranks[number] = rank
    return ranks


def _shown(packet: Any) -> int:
    return packet.dts if packet.pts is None else packet.pts  # AVI has no times but the order


def _latest(path: Path) -> int:
    """Return by how many places a packet may come after its place in the order of showing."""
    return max(number - rank for number, rank in enumerate(_ranks(_packets(path))))


def container_of(path: Path) -> str:
    """Return FFmpeg's name of a container, by the suffix."""
    return CONTAINERS[path.suffix.lower()]
