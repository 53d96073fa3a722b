"""Importing only defines things: no file is written, no Ray started, whichever module is imported."""

import ast
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

# What `pip install wespe` does not bring; the command works without it.
EXTRAS = {"ray", "mlflow", "dvc", "boto3", "pydantic", "yaml", "scipy", "skimage", "sklearn", "torchvision"}
COMMAND = "stages/laptop"


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


def test_the_command_imports_what_the_library_alone_brings(repository: Path, tmp_path: Path) -> None:
    """Whatever its functions import is imported here, in a fresh Python."""
    trees = [ast.parse(file.read_text()) for file in (repository / COMMAND).glob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    wanted = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    wanted = {
        module for module in wanted if module and module.split(".")[0] in ("wespe", "pipeline", "stages")
    }
    assert len(wanted) > 5, wanted
    script = f"import sys, {', '.join(sorted(wanted))}; print(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert EXTRAS & set(ended.stdout.split()) == set()


def test_the_command_starts_at_once(repository: Path, tmp_path: Path) -> None:
    """Help and completion wait for nothing: neither torch nor numpy nor Pillow."""
    ended = subprocess.run(
        [sys.executable, "-c", "import sys, stages.laptop; stages.laptop.make_parser(); print(*sys.modules)"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
    )
    assert {"torch", "numpy", "PIL", "shtab", "jinja2"} & set(ended.stdout.split()) == set()
    assert ended.returncode == 0, ended.stderr
