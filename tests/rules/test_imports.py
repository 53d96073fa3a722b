"""Imports run one way, and every engine has one door: the contracts of pyproject.toml."""

import subprocess
import sys
from pathlib import Path


def test_import_contracts_are_kept(repository: Path) -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    ended = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
