"""Which files a module's behaviour comes from: its own, and those that it imports inside the project."""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pipeline
import wespe

PACKAGES = {package.__name__: Path(package.__path__[0]) for package in (pipeline, wespe)}
# Tables of what params.yaml chooses by name. What a row imports counts only for those who choose it.
TABLES = ("pipeline.sources", "wespe.methods")


def imported_files(*modules: str) -> list[Path]:
    """The files of these modules and of all modules of the project that they import, sorted.

    Found in the source without running it, imports inside functions included; TABLES are left out.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        path = _path(module)
        if module not in found and module not in TABLES and path is not None:
            found[module] = path
            waiting += _imports(path)
    return sorted(found.values())


def code_digest(*modules: str) -> str:
    """The sha256 of `imported_files`; their order and the place of the project do not count."""
    digest = hashlib.sha256()
    for path in imported_files(*modules):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _path(module: str) -> Path | None:
    """The file of a module, None if it is not of the project or a package without code."""
    package, *parts = module.split(".")
    if package not in PACKAGES:
        return None
    path = PACKAGES[package].joinpath(*parts)
    files = (path.with_suffix(".py"), path / "__init__.py") if parts else (path / "__init__.py",)
    return next((file for file in files if file.is_file() and file.stat().st_size), None)


def _imports(path: Path) -> Iterator[str]:
    """Every name that may be a module: `from a import b` means a.b or only a."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = [f"{node.module}.{name.name}" for name in node.names]
            own = [module for module in submodules if _path(module)]
            yield from own
            if len(own) < len(submodules):
                yield node.module
