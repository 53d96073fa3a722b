"""Damaged films: repaired with a warning, or refused in one line; never half a film under the final name."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import FilmError
from pipeline.films.one_film import enhance_film
from pipeline.films.settings import FilmSettings
from pipeline.models.model_folder import Model
from tests.pipeline.films.conftest import Make, pan, times

av = pytest.importorskip("av")


@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4"])
def test_a_cut_file(make: Make, model: Model, tmp_path: Path, name: str) -> None:
    """Protects: what a full memory card leaves behind, as far as it can be read."""
    source, result = make(name, options={"g": "4"}), tmp_path / f"result{Path(name).suffix}"
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    if name == "clip.mp4":  # its index comes last
        with pytest.raises(FilmError, match="cut off"):
            enhance_film(model, source, result, FilmSettings())
        assert not result.exists()
        return
    made = enhance_film(model, source, result, FilmSettings())
    assert any("seems to have been cut off" in one for one in made.warnings), made.warnings
    assert 4 < len(times(result)) < 24


def test_a_cut_film_with_its_index_first(make: Make, model: Model, tmp_path: Path) -> None:
    """Protects: downloads that broke off; the warning says so."""
    whole = make(options={"g": "4"}, sound=False, photos=pan(48))
    source, result = tmp_path / "front.mp4", tmp_path / "result.mp4"
    with (
        av.open(str(whole)) as film,
        av.open(str(source), "w", container_options={"movflags": "+faststart"}) as out,
    ):
        stream = out.add_stream_from_template(film.streams.video[0])
        for packet in film.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])
    made = enhance_film(model, source, result, FilmSettings())
    assert any("seems to have been cut off" in one for one in made.warnings), made.warnings
    assert 8 < len(times(result)) < 48


def test_broken_frames_in_the_midst(make: Make, model: Model, tmp_path: Path) -> None:
    """Protects: one bad sector does not end a film; sound stays in step."""
    source, result = make("clip.mkv", options={"g": "4", "bf": "0"}), tmp_path / "result.mkv"
    with av.open(str(source)) as film:
        packet = [one for one in film.demux(video=0) if one.size][13]
        place, size = source.read_bytes().find(bytes(packet)), packet.size
    data = bytearray(source.read_bytes())
    data[place + 4 : place + size] = bytes(np.random.default_rng(0).integers(0, 256, size - 4, np.uint8))
    whole = times(source)
    source.write_bytes(data)
    made = enhance_film(model, source, result, FilmSettings())
    assert any("broken" in one for one in made.warnings), made.warnings
    assert set(times(result)) <= set(whole)
    assert len(times(result)) >= 20


def test_not_a_film(model: Model, tmp_path: Path) -> None:
    source = tmp_path / "text.mp4"
    source.write_text("no film at all")
    with pytest.raises(FilmError, match="cannot be read as a film"):
        enhance_film(model, source, tmp_path / "r.mp4", FilmSettings())


def test_only_sound(model: Model, tmp_path: Path, make: Make) -> None:
    source = tmp_path / "sound.mp4"
    with av.open(str(make())) as film, av.open(str(source), "w") as out:
        stream = out.add_stream_from_template(film.streams.audio[0])
        for packet in film.demux(audio=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    with pytest.raises(FilmError, match="no moving pictures"):
        enhance_film(model, source, tmp_path / "r.mp4", FilmSettings())


def test_a_film_without_a_duration(make: Make, model: Model, tmp_path: Path) -> None:
    """Protects: films that were streamed, whose header was never completed."""
    source, result = tmp_path / "live.mkv", tmp_path / "result.mkv"
    with (
        av.open(str(make("clip.mkv"))) as film,
        av.open(str(source), "w", container_options={"live": "1"}) as out,
    ):
        streams = {one.index: out.add_stream_from_template(one) for one in film.streams}
        for packet in film.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    with av.open(str(source)) as film:
        assert film.duration is None
    enhance_film(model, source, result, FilmSettings())
    assert times(result) == times(source)


def test_ten_bits_become_eight(make: Make, model: Model, tmp_path: Path) -> None:
    source = make(codec="libx265", pixels="yuv420p10le", options={"x265-params": "log-level=none"})
    made = enhance_film(model, source, tmp_path / "r.mp4", FilmSettings())
    assert made.warnings == ("its 10 bits become 8",)


def test_odd_sides(make: Make, model: Model, tmp_path: Path) -> None:
    source = make("clip.mkv", photos=pan(5, height=95, width=127), pixels="yuv444p")
    enhance_film(model, source, tmp_path / "r.mkv", FilmSettings())
    with av.open(str(tmp_path / "r.mkv")) as film:
        assert (film.streams.video[0].width, film.streams.video[0].height) == (127, 95)
