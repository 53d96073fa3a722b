"""`python -m stages.compare` reports what is wrong in one line, before it reads a photo."""

import sys
from pathlib import Path

import pytest

from stages import compare

FOLDERS = ["--source", "a", "--target", "b", "--tests", "c", "d"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["srcnn", "--steps", "-1"], "steps must be at least 0, not -1"),
        (["srcnn", "--size-px", "5"], "size_px must be 17 to 1024, not 5"),
        (["srcnn", "--steps", "1", "--minutes", "1"], "give either steps or minutes"),
        (["srcnn", "--all"], "name presets, or give --all"),
        ([], "name presets, or give --all"),
        (["srcnnn"], "no preset srcnnn, did you mean 'srcnn'?"),
        (["srcnn"], "a does not exist; give the path of a folder with photos"),
    ],
)
def test_a_mistake_is_one_line(
    repository: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setattr(sys, "argv", ["compare", *arguments, *FOLDERS])
    with pytest.raises(SystemExit) as stopped:
        compare.main()
    assert str(stopped.value).startswith(f"compare: {message}")
