"""Enhances one film, file to file, in two passes; a killed run goes on at its last segment."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from filelock import FileLock, Timeout

from pipeline.errors import FilmError
from pipeline.files import PREFIX, SUFFIX
from pipeline.films.about import NOTE, note_of
from pipeline.films.ahead import ahead
from pipeline.films.encoding import SEGMENT_SUFFIX, encode_segment
from pipeline.films.first_pass import FACTS, Film, load_pass, look_at, save_pass
from pipeline.films.joining import container_of, join
from pipeline.films.settings import FilmSettings
from pipeline.logs import Progress
from pipeline.models.model_folder import Model
from pipeline.video.colours import Converter
from pipeline.video.library import pyav
from pipeline.video.reading import Damage, frames, turned
from wespe.metrics.flicker import Flicker, FlickerMeter
from wespe.timeline import Track

PART = ".part"


class Frame(NamedTuple):
    """A frame by its number; photos as they are stored, photo_hwc uint8."""

    number: int
    source_hwc: np.ndarray
    photo_hwc: np.ndarray


@dataclass(frozen=True, kw_only=True)
class EnhancedFilm:
    """What became of a film. source, result: flicker, if it was asked for."""

    frames: int
    warnings: tuple[str, ...] = ()
    source: Flicker | None = None
    result: Flicker | None = None


def enhance_film(
    model: Model, source: Path, destination: Path, settings: FilmSettings, *, score: bool = False
) -> EnhancedFilm:
    """Write the enhanced film. Nothing has its name before it is whole. Raises FilmError without the name.

    Of several processes that write the same film, all but the first are refused.
    """
    lock = destination.with_name(f".{destination.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):  # a killed process holds none
            try:
                return _enhance_film(model, source, destination, settings, score)
            finally:
                lock.unlink(missing_ok=True)
    except Timeout:
        raise FilmError(f"another process is writing {destination.name}; wait until it ends") from None


def _enhance_film(
    model: Model, source: Path, destination: Path, settings: FilmSettings, score: bool
) -> EnhancedFilm:
    container = container_of(destination)
    codec, crf = settings.codec_for(container), settings.crf_for(container)
    folder = destination.with_name(destination.name + PART)
    film, track = _first_pass(model, source, folder, settings, container)
    segments = [folder / f"{number:06d}{SEGMENT_SUFFIX}" for number in range(len(film.segments))]
    missing = next((n for n, path in enumerate(segments) if not path.exists()), len(segments))
    meter = FlickerMeter() if score else None
    if missing < len(segments):
        start = film.segments[missing]
        progress = Progress(f"enhance {source.name}", len(film.pts), "frames", start=start)
        with closing(ahead(enhanced(model, source, film, track, settings.strength, start))) as made:
            for number, group in groupby(made, key=lambda frame: film.segment_of(frame.number)):
                photos = _watched(group, film, progress, meter)
                encode_segment(segments[number], photos, film, codec, crf, container)
    part = destination.with_name(f"{PREFIX}{uuid.uuid4().hex}{SUFFIX}")
    try:
        lost = join(source, segments, film, codec, note(model, settings, container), part, container)
        os.replace(part, destination)
    finally:
        part.unlink(missing_ok=True)
    shutil.rmtree(folder)
    flicker = {"source": meter.source, "result": meter.result} if meter else {}
    return EnhancedFilm(frames=len(film.pts), warnings=(*film.warnings, *lost), **flicker)


def note(model: Model, settings: FilmSettings, container: str) -> str:
    """Return the line in a result's comment that tells how it was made."""
    codec, crf = settings.codec_for(container), settings.crf_for(container)
    name = model.config.get("name") or model.config.get("camera", "model")
    return f"{NOTE}{name} {model.sha256[:12]}, strength {settings.strength:g}, {codec.encoder} crf {crf}"


def is_up_to_date(model: Model, source: Path, destination: Path, settings: FilmSettings) -> bool:
    """Tell whether a result was made from this film by this model, with these settings."""
    if not destination.exists() or destination.stat().st_mtime < source.stat().st_mtime:
        return False
    return note_of(destination) == note(model, settings, container_of(destination))


def enhanced(
    model: Model, source: Path, film: Film, track: Track, strength: float, start: int = 0
) -> Generator[Frame]:
    """Yield the film's frames from number `start` on, enhanced; they are decoded in another thread."""
    with closing(ahead(_decoded(source, film, start))) as decoded:
        for number, photo_hwc in decoded:
            decision = track.at(film.time_s(number), film.shots[number])
            upright = turned(photo_hwc, film.quarters)
            made = model.enhance(upright, strength=strength, decision=decision)
            yield Frame(number, photo_hwc, turned(made, -film.quarters))


def _decoded(source: Path, film: Film, start: int) -> Generator[tuple[int, np.ndarray]]:
    converter, number = Converter(film.colours), start
    for frame in frames(source, Damage(), film.pts[start] if start else None):
        if number >= len(film.pts) or frame.pts != film.pts[number]:
            raise FilmError("decodes differently than before; was it changed? Run again")
        yield number, converter.rgb(frame)
        number += 1
    if number != len(film.pts):
        raise FilmError("decodes differently than before; was it changed? Run again")


def _watched(
    group: Iterator[Frame], film: Film, progress: Progress, meter: FlickerMeter | None
) -> Iterator[np.ndarray]:
    for frame in group:
        if meter:
            if frame.number and film.shots[frame.number] != film.shots[frame.number - 1]:
                meter.cut()
            meter.update(_nchw(frame.source_hwc), _nchw(frame.photo_hwc))
        yield frame.photo_hwc
        progress.update()


def _first_pass(
    model: Model, source: Path, folder: Path, settings: FilmSettings, container: str
) -> tuple[Film, Track]:
    """Take the first pass of a killed run, or else make it."""
    facts = source.stat()
    versions = pyav().__version__, pyav().ffmpeg_version_info
    identity = [facts.st_size, facts.st_mtime_ns, model.sha256, settings.key(), container, *versions]
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    if folder.exists():
        if found := load_pass(folder, key, model):
            return found
        if any(folder.iterdir()) and not (folder / FACTS).exists():
            raise FilmError(f"{folder} is in the way, and not of wespe; remove it")
        shutil.rmtree(folder)
    film, track = look_at(source, model)
    folder.mkdir(parents=True)
    save_pass(folder, key, film, track)
    return film, track


def _nchw(photo_hwc: Any) -> torch.Tensor:
    return torch.from_numpy(photo_hwc).permute(2, 0, 1)[None].float() / 255
