"""Scores come back as they were written, and a summary says nothing of what was not measured."""

from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.evaluation.scores import Score, read_left_out, read_scores, summarise, write_scores


def row(photo_id: str, variant: str, metric: str, value: float) -> Score:
    return Score(photo_id=photo_id, name=photo_id, variant=variant, metric=metric, value=value)


SCORES = [
    row("a", "untouched", "noise", 4.0),
    row("b", "untouched", "noise", 2.0),
    row("a", "enhanced", "noise", 5.0),
    row("c", "enhanced", "noise", 9.0),
    row("a", "enhanced", "fidelity", 30.0),
    row("", "enhanced", "colour_distance", 7.0),
]


def test_rows_are_read_back_and_a_damaged_file_is_an_error(tmp_path: Path):
    write_scores(tmp_path / "scores.parquet", SCORES)
    assert read_scores(tmp_path / "scores.parquet") == SCORES
    assert read_left_out(tmp_path / "scores.parquet") == {}
    write_scores(tmp_path / "scores.parquet", SCORES, {"lpips": "no weights"})
    assert read_left_out(tmp_path / "scores.parquet") == {"lpips": "no weights"}
    (tmp_path / "scores.parquet").write_bytes(b"PAR1")
    with pytest.raises(PipelineError, match=r"scores.parquet cannot be read.*dvc repro"):
        read_scores(tmp_path / "scores.parquet")


def test_the_change_pairs_photos_that_have_both_and_a_self_check_has_none():
    summary = summarise(SCORES)
    assert summary["change"] == {"noise": {"mean": 1.0, "low": None, "high": None, "n": 1}}
    assert summary["enhanced"]["noise"]["mean"] == 7.0
    assert summary["enhanced"]["fidelity"]["mean"] == 30.0
    assert "fidelity" not in summary["untouched"]
    assert summary["auto_enhance"] == {}
