"""The digest that decides which cameras a change of code retrains."""

import shutil
from pathlib import Path

import grimp
import pytest

from pipeline import code
from pipeline.code import TABLES, code_digest, imported_files
from wespe.methods import METHODS

METHOD_MODULES = [f"wespe.methods.{name}" for name in METHODS]
NETWORK_OF_SRCNN = "networks/srcnn.py"


def digests() -> dict[str, str]:
    return {name: code_digest(f"wespe.methods.{name}") for name in METHODS}


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of wespe to change."""
    copy = shutil.copytree(code.PACKAGES["wespe"], tmp_path / "wespe")
    monkeypatch.setitem(code.PACKAGES, "wespe", copy)
    return copy


@pytest.mark.parametrize(
    "module", [*(f"wespe.methods.{name}" for name in METHODS), "pipeline.training.driver"]
)
def test_the_files_are_those_that_grimp_finds(module: str) -> None:
    """Against another reader of imports, so that none is missed."""
    graph = grimp.build_graph("wespe", "pipeline", cache_dir=None)
    found, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in found and name not in TABLES:
            found.add(name)
            waiting += graph.find_modules_directly_imported_by(name)
    files = {code._path(name) for name in found} - {None}
    assert set(imported_files(module)) == files


def test_a_new_method_changes_no_others_digest(library: Path) -> None:
    before = digests()
    (library / "methods/new.py").write_text("from wespe.losses import total_variation\n")
    table = library / "methods/__init__.py"
    table.write_text(table.read_text() + "\nimport wespe.methods.new\n")
    assert digests() == before


def test_a_changed_network_changes_the_methods_that_use_it(library: Path) -> None:
    before = digests()
    network = library / NETWORK_OF_SRCNN
    network.write_text(network.read_text() + "\n")
    after = digests()
    assert {name for name in METHODS if before[name] != after[name]} == {"srcnn"}


def test_imports_inside_functions_count(library: Path) -> None:
    """They run later, and change results all the same."""
    (library / "late.py").write_text("def f():\n    from wespe import guard\n    return guard\n")
    assert library / "guard.py" in imported_files("wespe.late")
