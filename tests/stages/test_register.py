"""What the gates decided is a table that lines up, and a wrong wish changes nothing."""

import sys
from pathlib import Path

import pytest

from pipeline.evaluation.scores import Score
from pipeline.registry.settings import Gates
from pipeline.registry.verdict import decide
from stages import register


def test_every_gate_is_a_line_of_a_table_with_columns_that_line_up():
    scores = [
        Score(photo_id=photo, name="", variant=variant, metric="psnr", value=value)
        for photo in "abcde"
        for variant, value in (("enhanced", 21.0), ("untouched", 20.0), ("histogram_match", 23.0))
    ]
    head, *lines = register._table(decide(scores, Gates(max_tile_difference=1))).splitlines()
    assert len(lines) == 9
    starts = [head.index(column) for column in ("threshold", "measured")]
    for line in lines:
        assert all(line[start - 1] == " " != line[start] for start in starts)
    assert lines[0].split("   ")[-1].strip() == "passed"
    assert lines[1].endswith("failed")
    assert lines[3].endswith("not measured")


def test_explaining_and_rolling_back_at_once_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["register", "demo-phone", "--explain", "--roll-back"])
    with pytest.raises(SystemExit):
        register.main()
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize("wish", [[], ["--explain"], ["--roll-back"]])
def test_an_unknown_camera_is_one_line_and_makes_no_database(monkeypatch, tmp_path, repository, wish):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text((repository / "params.yaml").read_text())
    monkeypatch.setattr(sys, "argv", ["register", "demo-fone", *wish])
    with pytest.raises(SystemExit, match=r"register: no block cameras\.demo-fone, did you mean 'cameras\.d"):
        register.main()
    assert [file.name for file in tmp_path.iterdir()] == ["params.yaml"]
