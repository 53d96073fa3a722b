"""Films as cameras write them, made by PyAV, and small models."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage import data

from pipeline.models.model_files import save_model
from pipeline.models.model_folder import Model, load_model
from wespe.methods import build_generator
from wespe.methods.lut_residual import LutResidualConfig

av = pytest.importorskip("av")
Make = Callable[..., Path]


def pan(frames: int, height: int = 96, width: int = 128, photo: np.ndarray | None = None) -> list[np.ndarray]:
    """Move a window over a photograph."""
    photo = data.astronaut() if photo is None else photo
    return [photo[n : n + height, 2 * n : 2 * n + width].copy() for n in range(frames)]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that writes a film: see `write_film`."""

    def made(name: str = "clip.mp4", photos: Sequence[np.ndarray] | None = None, **facts: Any) -> Path:
        path = tmp_path / name
        write_film(path, pan(24) if photos is None else photos, **facts)
        return path

    return made


def write_film(
    path: Path,
    photos: Sequence[np.ndarray],
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    pts: Sequence[int] | None = None,
    base: Fraction = Fraction(1, 12800),
    rate: int = 25,
    tags: tuple[int, int, int, int] = (1, 1, 1, 1),
    turned: int = 0,
    sound: bool = True,
    subtitles: bool = False,
    chapters: bool = False,
    options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write photos_hwc as a film. tags: range, matrix, transfer, primaries. pts: in `base`."""
    base = Fraction(1, rate) if path.suffix == ".avi" else base
    step = int(1 / base / rate)
    times = [step * number for number in range(len(photos))] if pts is None else list(pts)
    timescale = {"video_track_timescale": str(base.denominator)} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", container_options=timescale) as out:
        out.metadata.update(metadata or {})
        stream = out.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width, stream.pix_fmt = *photos[0].shape[:2], pixels
        stream.codec_context.time_base = base
        context = stream.codec_context
        context.color_range, context.colorspace, context.color_trc, context.color_primaries = tags
        stream.set_display_rotation(turned) if turned else None
        audio = (
            out.add_stream(
                "libmp3lame" if path.suffix == ".avi" else "libopus" if path.suffix == ".webm" else "aac",
                rate=48000,
            )
            if sound
            else None
        )
        if sound and path.suffix == ".webm":
            audio.codec_context.format = "s16"
        words = (
            out.add_mux_stream("mov_text" if path.suffix in (".mp4", ".mov") else "subrip")
            if subtitles
            else None
        )
        if chapters:
            one = {
                "id": 1,
                "start": 0,
                "end": 500,
                "time_base": Fraction(1, 1000),
                "metadata": {"title": "Start"},
            }
            out.set_chapters([one])
        for photo, time in zip(photos, times, strict=True):
            full = tags[0] == 2 or pixels.startswith("yuvj")
            frame = av.VideoFrame.from_ndarray(photo, "rgb24").reformat(
                format=pixels,
                dst_colorspace={1: 1}.get(tags[1], 5),
                src_color_range=2,
                dst_color_range=2 if full else 1,
            )
            frame.pts, frame.time_base = time, base
            frame.color_range, frame.colorspace, frame.color_trc, frame.color_primaries = tags
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if audio:
            _write_sound(out, audio, float(times[-1] * base) + 1 / rate)
        if words:
            for number, text in enumerate((b"one", b"two")):
                packet = av.Packet((len(text).to_bytes(2, "big") + text) if path.suffix != ".mkv" else text)
                packet.stream, packet.time_base = words, Fraction(1, 1000)
                packet.pts = packet.dts = 300 * number
                packet.duration = 250
                out.mux(packet)


def _write_sound(out: Any, audio: Any, seconds: float) -> None:
    size = (
        960 if audio.codec_context.name == "libopus" else 1152 if "mp3" in audio.codec_context.name else 1024
    )
    kind = audio.codec_context.format.name
    count = int(seconds * 48000 // size)
    wave = np.sin(np.arange(count * size) * 0.05) * 0.3
    for number in range(count):
        piece = np.tile(wave[number * size : (number + 1) * size], (2, 1))
        whole = {"s16": np.int16, "s32": np.int32}.get(kind.removesuffix("p"))
        values = (piece * np.iinfo(whole).max).astype(whole) if whole else piece.astype(np.float32)
        if not kind.endswith("p"):
            values = np.ascontiguousarray(values.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(values, format=kind, layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, number * size, Fraction(1, 48000)
        out.mux(audio.encode(frame))
    out.mux(audio.encode(None))


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that decides colours by frame, and changes them."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    method = LutResidualConfig()
    generator = build_generator(method)
    generator.colour.slope.mul_(0.8)
    generator.colour.offset.add_(torch.tensor([0.1, -0.2]))
    save_model(folder, generator, method, {"camera": "phone"})
    return folder


@pytest.fixture(scope="session")
def model(model_folder: Path) -> Model:
    return load_model(model_folder)


def packets(path: Path, kind: str) -> list[tuple[Any, ...]]:
    """Return times and bytes of all packets of a kind of stream."""
    with av.open(str(path)) as container:
        streams = [one for one in container.streams if one.type == kind]
        if not streams:
            return []
        return [
            (p.pts * p.time_base, p.duration * p.time_base, bytes(p))
            for p in container.demux(streams)
            if p.size
        ]


def times(path: Path) -> list[Fraction]:
    """Return the time of each frame, in seconds."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    if path.suffix == ".avi":  # it only holds their order, and FFmpeg guesses their times
        return [frame.dts * frame.time_base for frame in frames]
    return [frame.pts * frame.time_base for frame in frames]


def photos(path: Path) -> list[np.ndarray]:
    """Return the frames as RGB, by their own tags."""
    from pipeline.video.colours import Converter, colours_of
    from pipeline.video.reading import Damage, frames

    return [Converter(colours_of(frame)).rgb(frame) for frame in frames(path, Damage())]
