"""A checkout of its own, in which DVC really runs; a cluster and a bucket."""

import copy
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.flow.cluster import Bucket, Cluster, s3_bucket

CODE = ("wespe", "pipeline", "stages", "dvc.yaml", "params.yaml", ".dvc", ".dvcignore", ".gitignore")
TINY = {
    "method": {
        "name": "wespe",
        "generator": {"width": 4, "blocks": 1},
        "critic": {"width": 0.1},
        "content": {"layers": {"relu1_2": 1.0}, "weights": "random"},
    },
    "guard": {"min_psnr_db": 0},
    "training": {"steps": 4, "batch_size": 4, "log_every": 2, "checkpoint_every": 2},
}
BIN = str(Path(sys.executable).parent)


class Checkout:
    """The project's files in a git repository of their own, with a tiny preset."""

    def __init__(self, folder: Path, repository: Path):
        self.folder = folder
        for name in CODE:
            place = repository / name
            if place.is_dir():
                shutil.copytree(
                    place, folder / name, ignore=shutil.ignore_patterns("__pycache__", "cache", "tmp")
                )
            else:
                shutil.copy(place, folder / name)
        self.environment = os.environ | {"PATH": f"{BIN}:/usr/bin:/bin", "PYTHONPATH": str(folder)}
        self.environment.pop("MLFLOW_TRACKING_URI", None)
        self.environment.pop("RAY_AUTH_MODE", None)  # set by a Ray of another test in this process
        params = self.params()
        params["presets"] |= {"demo": TINY, "pairs": copy.deepcopy(TINY) | {"method": {"name": "srcnn"}}}
        for block in (params["cameras"]["demo-phone"], params["targets"]["demo-photos"]):
            block["patches"]["per_photo"] = 20
        params["cameras"]["demo-phone"]["photos"]["split"] = {"validation": 0, "test": 0.25}
        self.write(params)
        self.run("git", "init", "-q")
        self.commit()

    def params(self) -> dict:
        return yaml.safe_load((self.folder / "params.yaml").read_text())

    def write(self, params: dict) -> None:
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "state")

    def call(self, *command: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=900
        )

    def run(self, *command: str) -> str:
        done = self.call(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("checkout"), repository)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.close()


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with s3_bucket() as bucket:
        yield bucket
