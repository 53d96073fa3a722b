"""From two folders to a page, and from a browser's file to a table, as a user types it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from pipeline.research.study.key import read_key
from pipeline.research.study.order import in_order, on_left

STUDIES = Path("reports/studies")


@pytest.fixture
def study(tmp_path: Path, repository: Path):
    """Return `study(*arguments)`, which runs the command in a folder that holds two sets of two photos."""
    for folder, grey in (("holiday", 90), ("enhanced", 160)):
        (tmp_path / folder).mkdir()
        for name in ("beach", "pier"):
            Image.new("RGB", (60, 40), (grey, grey, grey)).save(tmp_path / folder / f"{name}.jpg")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "stages.study", *arguments]
        environment = {"PYTHONPATH": str(repository), "PATH": "/usr/bin:/bin"}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    return run


def export(folder: Path) -> Path:
    """What somebody saves who prefers the first label's photo everywhere."""
    key, participant = read_key(folder / STUDIES, "walk"), "0" * 32
    choices = [
        {"pair": pair.id, "left": on_left(participant, pair), "chosen": pair.photos[0]}
        for pair in in_order(participant, key)
    ]
    path = folder / "choices.json"
    path.write_text(json.dumps({"study": key.id, "participant": participant, "choices": choices}))
    return path


def test_a_page_is_made_and_its_answers_are_counted(study, tmp_path: Path) -> None:
    made = study("walk", "--photos", "holiday", "enhanced")
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("2 pairs, holiday or enhanced → reports/studies/walk.html")
    collected = study("walk", "--collect", str(export(tmp_path)))
    assert collected.returncode == 0, collected.stderr
    assert "overall   100% [34%, 100%]" in collected.stdout
    assert json.loads((tmp_path / STUDIES / "walk.json").read_bytes())["overall"]["holiday"]["count"] == 2


def test_mistakes_are_one_line(study, tmp_path: Path) -> None:
    for arguments in (["walk", "--photos", "holiday", "none"], ["walk", "--collect", "holiday/beach.jpg"]):
        ended = study(*arguments)
        assert ended.returncode == 1
        assert ended.stderr.startswith("study: ")
        assert ended.stderr.count("\n") == 1
    assert not (tmp_path / STUDIES).exists()
