"""What a film holds besides its pictures is kept, in every container."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import FilmError
from pipeline.films.one_film import enhance_film
from pipeline.films.settings import FilmSettings
from pipeline.models.model_folder import Model
from tests.pipeline.films.conftest import Make, packets, pan, photos, times

av = pytest.importorskip("av")


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("clip.mp4", {"subtitles": True, "chapters": True}),
        ("clip.mov", {"subtitles": True, "chapters": True}),
        ("clip.mkv", {"subtitles": True, "chapters": True}),
        ("clip.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none"}}),
        ("clip.avi", {"options": {"bf": "0"}}),
        ("clip.avi", {"codec": "mjpeg", "pixels": "yuvj422p", "tags": (2, 5, 2, 2)}),
        ("clip.webm", {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "deadline": "realtime"}}),
    ],
)
def test_times_sound_subtitles_and_chapters(
    make: Make, model: Model, tmp_path: Path, name: str, facts: dict[str, Any]
) -> None:
    """Protects: sound in step with the picture; packets are copied, bit for bit."""
    source, result = make(name, **facts), tmp_path / f"result{Path(name).suffix}"
    made = enhance_film(model, source, result, FilmSettings())
    assert made.warnings == ()
    assert times(result) == times(source)
    for kind in ("audio", "subtitle"):
        assert packets(result, kind) == packets(source, kind), kind
    with av.open(str(source)) as before, av.open(str(result)) as after:
        assert [one.type for one in after.streams] == [one.type for one in before.streams]
        chapters = [
            [(c["start"] * c["time_base"], c["metadata"]) for c in one.chapters()] for one in (before, after)
        ]
        assert chapters[0] == chapters[1]
        assert after.streams.video[0].codec_context.name == ("vp9" if name.endswith("webm") else "h264")
    assert not list(tmp_path.glob("*.part"))


def test_variable_frame_rate_and_rotation(make: Make, model: Model, tmp_path: Path) -> None:
    """Protects: phones' films, of which both are true."""
    steps = np.random.default_rng(0).integers(300, 900, 24)
    source = make(pts=[int(time) for time in 700 + np.cumsum(steps)], turned=90, base=Fraction(1, 90000))
    result = tmp_path / "result.mp4"
    enhance_film(model, source, result, FilmSettings())
    assert times(result) == times(source)
    with av.open(str(source)) as before, av.open(str(result)) as after:
        one, other = next(before.decode(video=0)), next(after.decode(video=0))
        assert (other.rotation, other.width) == (one.rotation, one.width) == (90, 128)


def test_rotated_frames_are_enhanced_upright(make: Make, model: Model, tmp_path: Path) -> None:
    """Protects: a model that decides by place sees the sky above."""
    upright = pan(4)
    lying = [np.ascontiguousarray(np.rot90(photo, -1)) for photo in upright]
    facts = {"options": {"crf": "0"}, "pixels": "yuv444p", "sound": False}
    seen = []

    class Watched:
        config, sha256 = model.config, model.sha256

        def decide(self, photo_hwc: np.ndarray) -> Any:
            seen.append(photo_hwc)
            return model.decide(photo_hwc)

        enhance = staticmethod(model.enhance)

    enhance_film(Watched(), make(photos=lying, turned=90, **facts), tmp_path / "r.mp4", FilmSettings())  # type: ignore[arg-type]
    assert np.abs(seen[0].astype(int) - upright[0]).mean() < 2


@pytest.mark.parametrize("tags", [(1, 1, 1, 1), (2, 1, 1, 1), (1, 6, 6, 6), (2, 5, 1, 5)])
def test_colour_tags(make: Make, model: Model, tmp_path: Path, tags: tuple[int, int, int, int]) -> None:
    """Protects: players show the result with the colours that were enhanced."""
    source, result = make(tags=tags), tmp_path / "result.mp4"
    enhance_film(model, source, result, FilmSettings())
    with av.open(str(result)) as container:
        frame = next(container.decode(video=0))
    assert (frame.color_range, frame.colorspace, frame.color_trc, frame.color_primaries) == tags


def test_strength_0_keeps_the_pictures(make: Make, model: Model, tmp_path: Path) -> None:
    """Protects: decoding, converting twice and encoding change little by themselves."""
    source, result = make(), tmp_path / "result.mp4"
    enhance_film(model, source, result, FilmSettings(strength=0, crf=1))
    for one, other in zip(photos(source), photos(result), strict=True):
        assert np.abs(one.astype(int) - other).mean() < 1


def test_metadata(make: Make, model: Model, tmp_path: Path) -> None:
    """Protects: place and date of a film; the result tells who made it."""
    facts = {"title": "Beach", "creation_time": "2024-05-06T07:08:09.000000Z", "location": "+47.3+008.5/"}
    source, result = make("clip.mov", metadata=facts), tmp_path / "result.mov"
    enhance_film(model, source, result, FilmSettings())
    with av.open(str(source)) as before, av.open(str(result)) as after:
        for key in ("title", "creation_time", "location"):
            assert after.metadata.get(key) == before.metadata.get(key)
        assert after.metadata["comment"].startswith("wespe phone ")


def test_a_codec_that_the_container_does_not_hold(make: Make, model: Model, tmp_path: Path) -> None:
    with pytest.raises(FilmError, match="avi does not hold hevc"):
        enhance_film(model, make("clip.avi"), tmp_path / "r.avi", FilmSettings(codec="hevc"))


def test_hevc_out(make: Make, model: Model, tmp_path: Path) -> None:
    result = tmp_path / "result.mp4"
    enhance_film(model, make(), result, FilmSettings(codec="hevc", crf=30))
    with av.open(str(result)) as container:
        assert container.streams.video[0].codec_context.name == "hevc"
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_gps_tracks_and_covers(make: Make, model: Model, tmp_path: Path) -> None:
    """Protects: where an action camera was, and the picture that a film is known by."""
    source, result = tmp_path / "action.mp4", tmp_path / "result.mp4"
    with av.open(str(make(sound=False))) as film, av.open(str(source), "w") as out:
        video = out.add_stream_from_template(film.streams.video[0])
        places = out.add_data_stream("bin_data")  # as GoPro has them
        places.time_base = Fraction(1, 1000)
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        for packet in film.demux(video=0):
            if packet.size:
                packet.stream = video
                out.mux(packet)
        for number in range(4):
            packet = av.Packet(b"GPS5" + bytes([number] * 20))
            packet.stream, packet.time_base = places, Fraction(1, 1000)
            packet.pts = packet.dts = 200 * number
            packet.duration = 200
            out.mux(packet)
        frame = av.VideoFrame.from_ndarray(pan(1, 32, 32)[0], "rgb24").reformat(format="yuvj420p")
        frame.pts = 0
        out.mux([*cover.encode(frame), *cover.encode(None)])
    made = enhance_film(model, source, result, FilmSettings())
    assert made.warnings == ()
    assert len(packets(source, "data")) == 4
    assert packets(result, "data") == packets(source, "data")
    with av.open(str(source)) as before, av.open(str(result)) as after:
        covers = [bytes(next(one.demux(one.streams.video[-1]))) for one in (before, after)]
        assert covers[0] == covers[1]
        assert len(after.streams.video) == 2
