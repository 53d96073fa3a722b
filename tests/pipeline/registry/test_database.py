"""The MLflow database is created whole or not at all; processes are really killed and really meet."""

import multiprocessing
import os
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.errors import RegistryError
from pipeline.registry.database import ensure_database
from pipeline.registry.tracking import EXPERIMENT, experiment_id

# A fork has MLflow imported already: starting Python anew would take most of the test's time.
fork = multiprocessing.get_context("fork")


def uri(path: Path) -> str:
    return f"sqlite:///{path}"


def create_in_place(path: Path) -> None:
    """As MLflow does by itself."""
    MlflowClient(uri(path)).search_registered_models()


def create_and_use(path: Path, here: Path) -> None:
    os.chdir(here)
    ensure_database(uri(path))
    import mlflow

    mlflow.set_tracking_uri(uri(path))
    experiment_id(MlflowClient(uri(path)))


def kill_when(process: BaseProcess, file: Path, size_bytes: int) -> None:
    deadline = time.monotonic() + 600
    while not file.exists() or file.stat().st_size < size_bytes:
        assert process.is_alive(), "the creation ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()


def works(path: Path) -> bool:
    client = MlflowClient(uri(path))
    client.create_registered_model("wespe-phone")
    return [model.name for model in client.search_registered_models()] == ["wespe-phone"]


def test_three_cameras_that_register_first_at_once_meet_in_one_database(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    processes = [fork.Process(target=create_and_use, args=(path, tmp_path)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    names = [experiment.name for experiment in MlflowClient(uri(path)).search_experiments()]
    assert sorted(names) == ["Default", EXPERIMENT]
    assert works(path)


@pytest.mark.parametrize("size_bytes", [1, 200_000])
def test_a_creation_that_is_killed_leaves_no_database_and_the_next_one_works(
    tmp_path: Path, size_bytes: int
) -> None:
    path = tmp_path / "mlflow.db"
    process = fork.Process(target=ensure_database, args=(uri(path),))
    process.start()
    kill_when(process, tmp_path / ".mlflow.db.part", size_bytes)
    assert not path.exists()
    ensure_database(uri(path))
    assert works(path)


@pytest.mark.parametrize("size_bytes", [1, 200_000])
def test_a_half_built_database_is_reported_and_created_again(
    tmp_path: Path, size_bytes: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """Protects: checkouts that an earlier version, or `mlflow ui`, left half-built."""
    path = tmp_path / "mlflow.db"
    process = fork.Process(target=create_in_place, args=(path,))
    process.start()
    kill_when(process, path, size_bytes)
    ensure_database(uri(path))
    assert works(path)
    [moved] = [
        file.name for file in tmp_path.glob("mlflow.db.broken-*") if not file.name.endswith("-journal")
    ]
    assert moved in capfd.readouterr().err
    assert not (tmp_path / "mlflow.db-journal").exists()


def test_a_journal_of_a_lost_database_is_not_applied_to_the_new_one(tmp_path: Path) -> None:
    path, journal = tmp_path / "mlflow.db", tmp_path / "mlflow.db-journal"
    path.touch()
    journal.write_bytes(bytes(512))
    ensure_database(uri(path))
    assert works(path)
    assert not journal.exists()


def test_a_database_of_another_version_that_holds_a_model_is_never_replaced(
    tmp_path: Path, migrated: Path
) -> None:
    path = tmp_path / "mlflow.db"
    shutil.copy(migrated, path)
    assert works(path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'of another version'")
    before = path.read_bytes()
    with pytest.raises(RegistryError, match="mlflow db upgrade"):
        ensure_database(uri(path))
    assert path.read_bytes() == before


def test_a_file_that_is_not_a_database_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("a note, not a database" * 50)
    with pytest.raises(RegistryError, match=r"mlflow\.db is not a database"):
        ensure_database(uri(tmp_path / "mlflow.db"))
