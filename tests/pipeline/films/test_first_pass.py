"""The first pass: shots, segments, and decisions that survive a kill unchanged."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from skimage import data

from pipeline.films.first_pass import SEGMENT_S, load_pass, look_at, save_pass
from pipeline.models.model_folder import Model
from tests.pipeline.films.conftest import Make, pan
from wespe.timeline import flattened

pytest.importorskip("av")


def test_a_cut_begins_a_shot_with_a_decision_of_its_own(make: Make, model: Model) -> None:
    """Protects: the last frames of one scene are not lit for the next."""
    two = [*pan(20), *pan(20, photo=data.coffee()[150:, 200:])]
    film, track = look_at(make(photos=two, sound=False), model)
    assert film.shots == [0] * 20 + [1] * 20
    assert film.time_s(20) in track.times_s
    before, after = (track.at(film.time_s(number), shot=film.shots[number]) for number in (19, 20))
    single = model.decide(two[20])
    near, far = (abs(float((one.gain - single.gain).mean())) for one in (after, before))
    assert near < far


def test_segments_begin_with_key_frames_of_the_film(make: Make, model: Model) -> None:
    film, _ = look_at(make(photos=pan(110, 64, 80), rate=10, sound=False, options={"g": "15"}), model)
    assert len(film.segments) == 3
    assert all(first % 15 == 0 for first in film.segments)
    lengths = [film.time_s(b) - film.time_s(a) for a, b in pairwise(film.segments)]
    assert min(lengths) >= SEGMENT_S


def test_saved_and_loaded(make: Make, model: Model, tmp_path: Path) -> None:
    film, track = look_at(make(turned=90, tags=(2, 6, 6, 6)), model)
    save_pass(tmp_path, "key", film, track)
    assert load_pass(tmp_path, "other", model) is None
    found = load_pass(tmp_path, "key", model)
    assert found is not None
    again, loaded = found
    assert again.colours == film.colours
    assert (again.pts, again.segments, tuple(again.matrix)) == (film.pts, film.segments, film.matrix)
    for one, other in zip(track.decisions, loaded.decisions, strict=True):
        for a, b in zip(flattened(one), flattened(other), strict=True):
            assert torch.equal(a, b)
