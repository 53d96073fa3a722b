"""Finds the source files that a module depends on within this project, and their digest."""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pipeline
import wespe

PACKAGES = {package.__name__: Path(package.__path__[0]) for package in (pipeline, wespe)}
# Packages with a table of choices for params.yaml. Their imports are ignored, since only one choice is used.
TABLES = ("pipeline.sources", "wespe.methods")


def imported_files(*modules: str) -> list[Path]:
    """Return the files of these modules and of all project modules that they import, sorted.

    The source is parsed, not run. Imports inside functions are included; TABLES are left out.
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
    """Return the SHA-256 of the content of `imported_files`; it does not depend on the project's location."""
    digest = hashlib.sha256()
    for path in imported_files(*modules):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _path(module: str) -> Path | None:
    """Return a module's file; None for modules outside the project and for packages without code."""
    package, *parts = module.split(".")
    if package not in PACKAGES:
        return None
    path = PACKAGES[package].joinpath(*parts)
    files = (path.with_suffix(".py"), path / "__init__.py") if parts else (path / "__init__.py",)
    return next((file for file in files if file.is_file() and file.stat().st_size), None)


def _imports(path: Path) -> Iterator[str]:
    """Yield all imported names that may be modules: `from a import b` may import a.b, or b from a."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = [f"{node.module}.{name.name}" for name in node.names]
            own = [module for module in submodules if _path(module)]
            yield from own
            if len(own) < len(submodules):
                yield node.module
