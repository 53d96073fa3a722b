"""Importing only defines things: no file is written, no Ray started, whichever module is imported."""

import os
import subprocess
import sys
from pathlib import Path

IMPORT_ALL = """
import importlib, pkgutil, pipeline, stages, wespe

packages = (wespe, pipeline, stages)
names = [m.name for p in packages for m in pkgutil.walk_packages(p.__path__, p.__name__ + ".")]
for name in names:
    importlib.import_module(name)

import psutil, ray
assert len(names) > 20, names
assert not ray.is_initialized()
assert not psutil.Process().children()
"""


def test_importing_every_module_only_defines_things(repository: Path, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORT_ALL],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert not ended.stdout
    assert list(tmp_path.iterdir()) == []
