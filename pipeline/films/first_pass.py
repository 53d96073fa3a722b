"""The first pass over a film: its frames' times, shots and segments, and the decisions of some frames."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from pipeline.errors import FilmError
from pipeline.files import write_atomically
from pipeline.logs import Progress
from pipeline.models.model_folder import Model
from pipeline.video.colours import ColourTags, Converter, FilmColours, colours_of
from pipeline.video.reading import (
    Damage,
    display_matrix,
    expected_frames,
    frames,
    opened,
    pictures,
    rate_of,
    rotation,
    turned,
)
from wespe.timeline import Track, change, flattened, rebuilt

EVERY_S = 0.25  # one decision each; their mean reaches over two seconds
SEGMENT_S = 4.0  # at least; a killed run repeats at most one, and encoding starts anew with each
SMALL = (36, 64)  # height and width of the frames in which cuts are found
FACTS, DECISIONS = "film.json", "decisions.safetensors"
BITS = 8


@dataclass(frozen=True, kw_only=True)
class Film:
    """What the second pass needs to know.

    rate: frames per second as (numerator, denominator), on average. quarters: turns to be upright.
    matrix: display matrix, nine numbers, or empty. aspect: of a pixel.
    pts, durations: of each frame, in time_base. shots: number of the shot of each frame.
    segments: the first frame of each.
    """

    width: int
    height: int
    time_base: tuple[int, int]
    rate: tuple[int, int]
    aspect: tuple[int, int]
    quarters: int
    matrix: tuple[int, ...]
    colours: FilmColours
    pts: list[int] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    shots: list[int] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def time_s(self, frame: int) -> float:
        return self.pts[frame] * self.time_base[0] / self.time_base[1]

    def segment_of(self, frame: int) -> int:
        return sum(first <= frame for first in self.segments) - 1


def look_at(path: Path, model: Model) -> tuple[Film, Track]:
    """Decode a film once. Raises FilmError if it cannot be enhanced."""
    damage, found = Damage(), None
    times, shots, decisions = list[float](), list[int](), list[Any]()
    progress = Progress(f"look at {path.name}", expected_frames(path), "frames")
    before: torch.Tensor | None = None
    for frame in frames(path, damage):
        if found is None:
            found = _facts(path, frame)
            converter = Converter(found.colours)
        small = _nchw(converter.reduced(frame, *SMALL))
        cut = before is not None and change(before, small).is_cut
        before = small
        _append(found, frame, cut)
        time_s, shot = found.time_s(-1), found.shots[-1]
        if cut or not times or time_s >= times[-1] + EVERY_S:
            decision = model.decide(turned(converter.rgb(frame), found.quarters))
            times, shots, decisions = [*times, time_s], [*shots, shot], [*decisions, decision]
        if progress.total:
            progress.update()
    if found is None:
        raise FilmError("no frame of it can be decoded; it is empty or damaged")
    found.warnings.extend(damage.warnings(len(found.pts), progress.total))
    return found, Track(times_s=times, shots=shots, decisions=decisions)


def _append(film: Film, frame: Any, cut: bool) -> None:
    if film.pts:  # what a file says is often of the frame stored next, not shown next
        film.durations[-1] = frame.pts - film.pts[-1]
    film.pts.append(frame.pts)
    film.durations.append(frame.duration or 0)
    film.shots.append(film.shots[-1] + cut if film.shots else 0)
    number = len(film.pts) - 1
    if not film.segments or (
        frame.key_frame and film.time_s(number) >= film.time_s(film.segments[-1]) + SEGMENT_S
    ):
        film.segments.append(number)


def _facts(path: Path, frame: Any) -> Film:
    with opened(path) as container:
        stream = pictures(container)[0]
        rate, aspect = rate_of(stream), stream.sample_aspect_ratio or 1
        base = stream.time_base
    return Film(
        width=frame.width,
        height=frame.height,
        time_base=(base.numerator, base.denominator),
        rate=(rate.numerator, rate.denominator),
        aspect=(aspect.numerator, aspect.denominator),
        quarters=rotation(frame),
        matrix=display_matrix(frame) or (),
        colours=colours_of(frame),
        warnings=list(_losses(frame)),
    )


def _losses(frame: Any) -> Iterator[str]:
    deepest = max(component.bits for component in frame.format.components)
    if deepest > BITS:
        yield f"its {deepest} bits become {BITS}"
    if any(component.is_alpha for component in frame.format.components):
        yield "its transparency is lost"
    if frame.interlaced_frame:
        yield "it is interlaced, and becomes progressive; deinterlace it first"


def _nchw(photo_hwc: Any) -> torch.Tensor:
    return torch.from_numpy(photo_hwc).permute(2, 0, 1)[None].float() / 255


def save_pass(folder: Path, key: str, film: Film, track: Track) -> None:
    """Keep the first pass for a run that goes on after a kill."""
    tensors = [flattened(one) for one in track.decisions]
    stacked = {str(number): torch.stack(parts) for number, parts in enumerate(zip(*tensors, strict=True))}
    save_file(stacked, folder / DECISIONS)
    facts = {"key": key, "film": asdict(film), "times_s": track.times_s, "shots": track.shots}
    write_atomically(folder / FACTS, json.dumps(facts).encode())


def load_pass(folder: Path, key: str, model: Model) -> tuple[Film, Track] | None:
    """Return the first pass of an earlier run with the same key, or None."""
    try:
        facts = json.loads((folder / FACTS).read_bytes())
        stacked = load_file(folder / DECISIONS)
        if facts["key"] != key:
            return None
        known, colours = facts["film"], facts["film"]["colours"]
        tags = ColourTags(**colours["tags"])
        film = Film(**{**known, "colours": FilmColours(**{**colours, "tags": tags})})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    count = len(facts["times_s"])
    like = model.decide(torch.zeros(64, 64, 3, dtype=torch.uint8).numpy())
    rows = [[stacked[str(part)][number] for part in range(len(stacked))] for number in range(count)]
    decisions = [rebuilt(like, row) for row in rows]
    return film, Track(times_s=facts["times_s"], shots=facts["shots"], decisions=decisions)
