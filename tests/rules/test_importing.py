"""Importing a module only defines things, and costs little; imports are at its top, or late for a reason."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

IMPORT_ALL = """
import importlib, os, pkgutil
before = dict(os.environ)
import pipeline, stages, wespe

packages = (wespe, pipeline, stages)
names = [m.name for p in packages for m in pkgutil.walk_packages(p.__path__, p.__name__ + ".")]
for name in names:
    importlib.import_module(name)

import psutil, ray
assert len(names) > 20, names
assert not ray.is_initialized()
assert not psutil.Process().children()
# Other packages set what is theirs; ours and what processes inherit of Python and Ray stay as they were.
names = [name for name in before.keys() | os.environ if before.get(name) != os.environ.get(name)]
names = [name for name in names if name.startswith(("PYTHON", "RAY", "WESPE"))]
assert names in ([], ["RAY_CLIENT_MODE"]), names  # which Ray sets itself
"""

# What `pip install wespe` does not install; the command works without it.
EXTRAS = {"ray", "mlflow", "dvc", "boto3", "pydantic", "yaml", "scipy", "skimage", "sklearn", "torchvision"}
COMMAND = "stages/laptop"


@pytest.mark.engine
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


def test_the_command_needs_no_optional_package(repository: Path, tmp_path: Path) -> None:
    """All that its functions import is imported here, in a new process."""
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


# What a stage needs to print its help: 0.05 s, where torch alone takes more than one.
HEAVY = {"torch", "numpy", "ray", "pyarrow", "mlflow", "PIL", "pydantic", "requests", "scipy", "skimage"}
# Modules that import something when they need it, and why.
LATE = {
    "pipeline.enhancement.stores.bucket": "botocore, of the extra `pipeline`",
    "pipeline.video.library": "the extra `film`",
    "pipeline.models.own_models": "torch: `wespe models` reports wrong names at once",
    "wespe.kernels.compiled": "numba takes half a second, and may be missing: when a photo is enhanced",
    "pipeline.models.onnx_model": "the extra `onnx`",
    "pipeline.fleet": "Ray, while a dry run starts none",
    "pipeline.photos.heif": "the extra `heif`",
    "pipeline.photos.raw": "the extra `raw`",
    "pipeline.store": "pyarrow, of the extra `pipeline`, while `wespe enhance` reads photos without it",
    "pipeline.s3_client": "boto3, of the extra `pipeline`, slow to import",
    "pipeline.sources.film": "Pillow and numpy, and params.yaml is read without them",
    "pipeline.sources.demo": "Pillow, and params.yaml is read without it",
    "pipeline.sources.s3": "botocore, of the extra `pipeline`",
    "pipeline.enhancement.destinations": "torch, behind the codecs, while wrong names are reported at once",
    "wespe.networks.features": "torchvision, which takes a second, and its config is read without it",
}


@pytest.fixture(scope="module")
def trees(repository: Path) -> dict[str, ast.Module]:
    """Every module of the project, parsed."""
    files = [
        file for package in ("wespe", "pipeline", "stages") for file in (repository / package).rglob("*.py")
    ]
    return {name_of(file.relative_to(repository)): ast.parse(file.read_text()) for file in files}


def name_of(file: Path) -> str:
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


def functions_with_imports(tree: ast.Module) -> list[ast.FunctionDef]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [f for f in functions if any(isinstance(n, ast.Import | ast.ImportFrom) for n in ast.walk(f))]


def test_the_library_imports_late_only_for_a_reason(trees: dict[str, ast.Module]) -> None:
    """Protects: readers find a module's imports at its top."""
    late = {name for name, tree in trees.items() if functions_with_imports(tree)}
    assert {name for name in late if not name.startswith("stages")} == set(LATE)


def test_params_import_no_engine() -> None:
    """Every stage reads params.yaml, and dataclasses of settings need no Ray, Arrow, Pillow or SciPy."""
    imported = modules_after("import pipeline.params")
    assert {
        "ray",
        "pyarrow",
        "mlflow",
        "PIL",
        "scipy",
        "skimage",
        "sklearn",
        "boto3",
        "torchvision",
    } & imported == set()


def test_help_waits_for_nothing_heavy(trees: dict[str, ast.Module]) -> None:
    """Protects: --help is fast: heavy libraries are imported when the work starts."""
    stages = [name for name in trees if name.startswith("stages")]
    assert len(stages) > 15
    assert HEAVY & modules_after(f"import {', '.join(stages)}") == set()


def modules_after(statement: str) -> set[str]:
    """The packages that a fresh Python has imported after a statement."""
    script = f"{statement}; import sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ended.stdout.split())
