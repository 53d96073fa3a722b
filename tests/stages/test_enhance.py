"""What the command of the batch job refuses before it looks at anything."""

import sys
from pathlib import Path

import pytest

from stages.enhance import main


@pytest.mark.parametrize("share", ["-0.1", "2", "nan", "inf"])
def test_a_share_is_a_share(share: str, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["enhance", "--model", "m", f"--max-failed-share={share}", "in", "out"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert f"--max-failed-share must be from 0 to 1, not {float(share)}" in capsys.readouterr().err


def test_a_model_without_a_name_is_no_success(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """Protects: a script whose variable is unset; every photo would be left as it is, with exit code 0."""
    monkeypatch.setattr(sys, "argv", ["enhance", "--model", "", "in", "out"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "--model is empty" in capsys.readouterr().err


def test_auto_without_routes_is_no_success(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects: the table as it ships, empty; a job that does nothing must not look done."""
    monkeypatch.chdir(repository)
    monkeypatch.setattr(sys, "argv", ["enhance", "--model", "auto", "in", "out"])
    with pytest.raises(SystemExit, match="has no `routes`; add some"):
        main()
