"""dvc.yaml's deps are the code that each stage's command imports: what can change its bytes, and no more.

When this fails, add or remove the lines of dvc.yaml that it names. Code that cannot change what a stage
writes has a line in INFRASTRUCTURE or NOT_IN instead, with the reason.
"""

import ast
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import grimp
import pytest
import yaml

from pipeline.code import TABLES

ROOT = Path(__file__).parents[2]

# Code of every stage that cannot change what is written.
INFRASTRUCTURE = {
    "stages": "commands: they parse arguments and hand the parameters over",
    "pipeline.catalogue": "descriptions of data sets: a changed one fetches nothing again",
    "pipeline.cluster": "where Ray runs",
    "pipeline.errors": "messages",
    "pipeline.files": "how a file is written, not what is in it",
    "pipeline.layout": "paths, which tests/rules/test_dvc_params.py compares",
    "pipeline.logs": "messages",
    "pipeline.models.memory": "memory that is given back",
    "pipeline.params": "checks the values that DVC tracks as params",
    "pipeline.s3_client": "how bytes travel; their ETag is verified",
    "pipeline.sources.downloads": "how bytes travel",
    "pipeline.sources.web_files": "how bytes travel; whole files, by sha256 if it is given",
    "pipeline.store": "where files lie; their names are hashes of their content",
    "pipeline.training.progress": "messages",
    "pipeline.urls": "URLs as messages show them",
}
# Code that one kind of stage imports without using what could change its bytes: stage → module → reason.
NOT_IN = {
    "features": {"pipeline.sources": "how weights are downloaded; their sha256 is verified"},
    "check": {"pipeline.models.data_sets": "messages"},
    "train": {"pipeline.code": "its digest names the folder of checkpoints, which is removed at the end"},
    "register": {
        "pipeline.models": "the model's files are copied; nothing is computed with it",
        "pipeline.registry.tracking": "writes to MLflow alone",
    },
    "report": {"pipeline.registry": "logs the finished page to MLflow"},
}
# Tables whose rows params.yaml chooses by name: what stands for the chosen row's code among the deps.
ROWS = {
    "wespe.methods": "data/cameras/${key}/method.json",
    "pipeline.sources": "pipeline/sources/${item.photos.source.kind}.py",
}
KINDS = {
    "pipeline/sources/${item.photos.source.kind}.py": ("dataset", "demo", "film", "folder", "http", "s3")
}


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    """Static, imports inside functions included."""
    return grimp.build_graph("wespe", "pipeline", "stages", cache_dir=None)


@pytest.fixture(scope="module")
def stages() -> Mapping[str, dict]:
    """Every stage of dvc.yaml, as it is written there."""
    written = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    return {name: stage.get("do", stage) for name, stage in written.items()}


NAMES = list(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])


def command(stage: dict) -> str:
    """The module that a stage runs."""
    return re.match(r"python -m (stages\.\w+)", stage["cmd"])[1]


def is_listed(module: str, listed: Iterable[str]) -> bool:
    return any(module == one or module.startswith(f"{one}.") for one in listed)


def closure(graph: grimp.ImportGraph, *modules: str, without: Iterable[str] = ()) -> set[str]:
    """Modules with code that these import, directly or not, but through infrastructure and tables."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in found or is_listed(module, without):
            continue
        found.add(module)
        if module not in TABLES:
            waiting += graph.find_modules_directly_imported_by(module)
    return found


def code_of(graph: grimp.ImportGraph, name: str, stage: dict) -> tuple[set[str], set[str]]:
    """The modules that can change what a stage writes, and the tables among them."""
    without = {*INFRASTRUCTURE, *NOT_IN.get(name.partition("-")[0], {})} - {"stages"}
    found = closure(graph, command(stage), without=without)
    if "pipeline.sources" in found:
        kinds = (f"pipeline.sources.{kind}" for kinds in KINDS.values() for kind in kinds)
        found |= closure(graph, *kinds, without=without)
    found = {module for module in found if not is_listed(module, ["stages"])}
    return {module for module in found - set(TABLES) if source(module)}, found & set(TABLES)


def source(module: str) -> str:
    """A module's file, '' if it is a package that only has a docstring."""
    path = Path(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if (ROOT / file).is_file() and len(ast.parse((ROOT / file).read_text()).body) > 1:
            return str(file)
    return ""


def covered(stage: dict) -> dict[str, set[str]]:
    """Each dep that is code, and the files that it stands for."""
    files: dict[str, set[str]] = {}
    for dep in filter(lambda dep: dep.startswith(("wespe", "pipeline", "stages")), stage["deps"]):
        for path in [dep.replace("${item.photos.source.kind}", kind) for kind in KINDS.get(dep, ("",))]:
            inside = (ROOT / path).rglob("*.py") if (ROOT / path).is_dir() else [ROOT / path]
            files.setdefault(dep, set()).update(str(file.relative_to(ROOT)) for file in inside)
    return files


@pytest.mark.parametrize("name", NAMES)
def test_all_code_that_a_stage_uses_is_among_its_deps(
    imports: grimp.ImportGraph, stages: Mapping[str, dict], name: str
) -> None:
    """Protects: models and reports must not be kept after the code that made them has changed."""
    stage = stages[name]
    code, tables = code_of(imports, name, stage)
    listed = set().union(*covered(stage).values())
    missing = {source(module) for module in code} - listed
    missing |= {ROWS[table] for table in tables} - set(stage["deps"])
    assert not missing, f"add to {name} in dvc.yaml: {sorted(missing)}"


@pytest.mark.parametrize("name", NAMES)
def test_no_code_is_among_the_deps_that_a_stage_does_not_use(
    imports: grimp.ImportGraph, stages: Mapping[str, dict], name: str
) -> None:
    """Protects: hours of training, which a change elsewhere would otherwise repeat."""
    code, _ = code_of(imports, name, stages[name])
    used = {source(module) for module in code}
    idle = [dep for dep, files in covered(stages[name]).items() if not files & used]
    assert not idle, f"remove from {name} in dvc.yaml: {idle}"


def test_a_method_is_no_dep_of_a_stage_that_takes_long(stages: Mapping[str, dict]) -> None:
    """Only `features` looks at them all: it writes the digest that the other stages depend on."""
    tables = {"wespe", "wespe/methods", "wespe/networks"}
    assert {name for name, stage in stages.items() if tables & set(stage["deps"])} == {"features"}


def test_every_exception_is_needed(imports: grimp.ImportGraph, stages: Mapping[str, dict]) -> None:
    """Protects: the lists above contain no unused names."""
    used = {name: closure(imports, command(stage)) for name, stage in stages.items()}
    used["sources"] = closure(imports, *(f"pipeline.sources.{kind}" for kind in next(iter(KINDS.values()))))
    everywhere = set().union(*used.values())
    assert [name for name in INFRASTRUCTURE if not any(is_listed(m, [name]) for m in everywhere)] == []
    for stage, modules in NOT_IN.items():
        imported = set().union(*(found for name, found in used.items() if name.partition("-")[0] == stage))
        assert [name for name in modules if not any(is_listed(m, [name]) for m in imported)] == []
