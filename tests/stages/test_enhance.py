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


def test_an_empty_model_name_is_rejected(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """Protects: scripts with an unset variable, which would leave all photos unchanged with exit code 0."""
    monkeypatch.setattr(sys, "argv", ["enhance", "--model", "", "in", "out"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "--model is empty" in capsys.readouterr().err


def test_auto_without_routes_is_rejected(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects: routes are empty by default; a job that does nothing must not look successful."""
    monkeypatch.chdir(repository)
    monkeypatch.setattr(sys, "argv", ["enhance", "--model", "auto", "in", "out"])
    with pytest.raises(SystemExit, match="has no `routes`; add some"):
        main()
