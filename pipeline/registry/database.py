"""Creates an MLflow database in a SQLite file atomically, even with concurrent or killed processes.

MLflow itself creates the file in place, in about sixty migrations. If the process is killed meanwhile, MLflow
can neither use nor complete the file.
"""

import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import mlflow
import mlflow.store
from alembic.script import ScriptDirectory
from filelock import FileLock
from mlflow import MlflowClient
from sqlalchemy.engine import make_url

from pipeline.errors import RegistryError

SCHEME = "sqlite:///"
COMPANIONS = ("", "-journal", "-wal", "-shm")  # suffixes of SQLite's files for one database
BUSY_TIMEOUT_S = 20
CONTENT = ("runs", "registered_models", "model_versions", "logged_models")  # tables that must never be lost


def ensure_database(uri: str) -> None:
    """Create the SQLite file of `uri`, or replace one whose creation was interrupted.

    Does nothing for other URIs. Raises RegistryError for a file with content that cannot be used.
    """
    path = _path(uri)
    if path is None or _is_ready(path):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.lock")):
        if _is_ready(path):  # another process was faster
            return
        if any(path.with_name(path.name + ending).exists() for ending in COMPANIONS):
            _move_away(path)
        _create(path)


@contextmanager
def writing(uri: str) -> Iterator[None]:
    """Wait until no other process writes to the SQLite file of `uri`; does nothing for other URIs.

    SQLite itself gives up after seconds, and a registration of several writes would be cut in two.
    """
    path = _path(uri)
    with FileLock(path.with_name(f"{path.name}.writing.lock")) if path else nullcontext():
        yield


def _path(uri: str) -> Path | None:
    if not uri.startswith(SCHEME):
        return None
    name = make_url(uri).database
    return Path(name) if name and name != ":memory:" else None


def _is_ready(path: Path) -> bool:
    """Tell whether all migrations have run. Does not use MLflow, which would keep an invalid file open."""
    if not path.exists():
        return False
    version, newest = _version(path), _newest_version()
    if version != newest and _has_content(path):
        raise RegistryError(
            f"{path} contains runs or models, but its tables have version {version}, and MLflow "
            f"{mlflow.__version__} needs {newest}; make a backup of the file, then run "
            f"`mlflow db upgrade {SCHEME}{path}`"
        )
    return version == newest


def _newest_version() -> str | None:
    return ScriptDirectory(str(Path(mlflow.store.__file__).parent / "db_migrations")).get_current_head()


def _version(path: Path) -> str:
    rows = (
        _rows(path, "SELECT version_num FROM alembic_version") if "alembic_version" in _tables(path) else []
    )
    return rows[0][0] if rows else "unknown"


def _has_content(path: Path) -> bool:
    return any(_rows(path, f"SELECT 1 FROM {table} LIMIT 1") for table in _tables(path) & set(CONTENT))


def _tables(path: Path) -> set[str]:
    return {name for (name,) in _rows(path, "SELECT name FROM sqlite_master")}


def _rows(path: Path, query: str) -> list[tuple]:
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as database:
            return database.execute(query).fetchall()
    except sqlite3.OperationalError as error:
        raise RegistryError(
            f"{path} cannot be read ({error}); check its permissions, then try again"
        ) from None
    except sqlite3.DatabaseError as error:
        raise RegistryError(f"{path} is not a database ({error}); move it away, then try again") from None


def _move_away(path: Path) -> None:
    aside = path.with_name(f"{path.name}.broken-{time.strftime('%Y%m%d-%H%M%S')}")
    # Move the journal as well, or SQLite would apply it to the new file.
    for ending in COMPANIONS:
        if (file := path.with_name(path.name + ending)).exists():
            os.replace(file, aside.with_name(aside.name + ending))
    print(
        f"register: the creation of {path} was interrupted before it contained a run or a model; "
        f"creating it again (the old file is now {aside.name})",
        file=sys.stderr,
    )


def _create(path: Path) -> None:
    """Create under a temporary name, then rename. The lock protects the temporary name."""
    part = path.with_name(f".{path.name}.part")
    for ending in COMPANIONS:
        part.with_name(part.name + ending).unlink(missing_ok=True)
    client = MlflowClient(f"{SCHEME}{part.absolute()}")
    client.search_registered_models(max_results=1)
    client.search_experiments(max_results=1)  # creates the default experiment
    os.replace(part, path)
