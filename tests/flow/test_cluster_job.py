"""A job on a real Ray cluster, from S3 to S3, submitted as by a user: nodes fail and join, no photo is lost.

The nodes are processes of this machine, each with folders and an environment of its own: code, model and
endpoint must travel to them, the credentials of S3 must not.
"""

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import boto3
import psutil
import pyarrow.parquet as pq
import pytest
import torch
from moto.server import ThreadedMotoServer
from PIL import Image
from ray.util import get_node_ip_address

from pipeline.models.model_files import save_model
from wespe.methods.wespe import WespeConfig
from wespe.networks.resnet import ResNet, ResNetConfig

BIN = Path(sys.executable).parent
MARK = "WESPE_TEST_CLUSTER"  # in the environment of all that a cluster starts
KEYS = {"AWS_ACCESS_KEY_ID": "AKIATESTKEY", "AWS_SECRET_ACCESS_KEY": "s3cret"}
PHOTOS = 16
TIMEOUT_S = 300  # a cluster has a dozen processes, and other tests want the cores too
OBJECT_STORE = 80_000_000  # bytes, the least that Ray takes is 75 MiB
PROBE = """
import json, ray
from pipeline.cluster import session

@ray.remote
def imported():
    import pipeline, wespe
    return [pipeline.__file__, wespe.__file__]

with session():
    print(json.dumps(ray.get(imported.remote())))
"""


@dataclass(frozen=True, kw_only=True)
class Node:
    process: subprocess.Popen
    folder: Path

    def said(self, pattern: str) -> str:
        """What `ray start` has printed, or prints soon."""
        output = self.folder / "output"
        wait_until(lambda: re.search(pattern, output.read_text()) or self.process.poll() is not None)
        found = re.search(pattern, output.read_text())
        assert found, output.read_text()
        return found[1]

    def processes(self) -> list[psutil.Process]:
        starter = psutil.Process(self.process.pid)
        return [starter, *starter.children(recursive=True)]

    def is_enhancing(self) -> bool:
        with suppress(psutil.NoSuchProcess):
            return any("MapWorker" in " ".join(process.cmdline()) for process in self.processes())
        return False

    def kill(self) -> None:
        """As when its power fails."""
        for process in self.processes():
            kill(process)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Nodes by `ray start`, with ports and a token of their own: no other Ray of this machine is touched."""

    identity: str = field(default_factory=lambda: uuid.uuid4().hex)
    folder: Path = field(
        default_factory=lambda: Path(mkdtemp(prefix="ray-", dir="/tmp"))
    )  # sockets want it short
    nodes: list[Node] = field(default_factory=list)

    def environment(self, **more: str) -> dict[str, str]:
        """Nothing of the user's but where programs are found: no credentials, no configuration."""
        return {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "AWS_EC2_METADATA_DISABLED": "true",
            "OMP_NUM_THREADS": "1",
            "RAY_TMPDIR": str(self.folder),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.identity,
            MARK: self.identity,
            **more,
        }

    def start(self, *options: str, **environment: str) -> Node:
        folder = self.folder / str(len(self.nodes))
        folder.mkdir()
        command = ["ray", "start", "--block", f"--temp-dir={folder}", f"--object-store-memory={OBJECT_STORE}"]
        with open(folder / "output", "w") as output:
            process = subprocess.Popen(
                [*command, "--dashboard-agent-listen-port=0", *options],
                cwd=folder,
                env=self.environment(**environment),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.nodes.append(Node(process=process, folder=folder))
        return self.nodes[-1]

    def start_head(self, *options: str, **environment: str) -> Node:
        """Without CPUs it runs drivers, and no photos."""
        ports = ("--dashboard-port=0", f"--ray-client-server-port={free_port()}")
        return self.start("--head", *ports, *options, **environment)

    def submit(self, repository: Path, *command: str) -> subprocess.Popen:
        """`ray job submit` as deploy/ tells it; the user who does it has no credentials for S3."""
        server = self.nodes[0].said(r"RAY_API_SERVER_ADDRESS='(\S+)'")
        packaging = ("--working-dir", ".", "--runtime-env", "deploy/runtime-env.yaml")
        return subprocess.Popen(
            ["ray", "job", "submit", "--address", server, *packaging, "--", *command],
            cwd=repository,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def close(self) -> None:
        while processes := list(filter(self._is_mine, psutil.process_iter())):
            for process in processes:
                kill(process)
            psutil.wait_procs(processes, timeout=5)
        for node in self.nodes:
            node.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _is_mine(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error):
            return process.environ().get(MARK) == self.identity and process.status() != psutil.STATUS_ZOMBIE
        return False


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A bucket of a local S3."""

    name: str
    endpoint: str
    client: Any

    def fill(self, photo: Image.Image, count: int) -> None:
        for number in range(count):
            file = io.BytesIO()
            photo.rotate(number).save(file, "JPEG")
            key = f"in/roll-{number % 2}/{number:02}.jpg"
            self.client.put_object(Bucket=self.name, Key=key, Body=file.getvalue())

    def names(self, prefix: str) -> list[str]:
        """Of the photos below a prefix."""
        return [name for name in self._listed(prefix) if name.endswith(".jpg")]

    def read(self, key: str) -> io.BytesIO:
        return io.BytesIO(self.client.get_object(Bucket=self.name, Key=key)["Body"].read())

    def ledger(self) -> list[dict[str, str]]:
        parts = [name for name in self._listed("out/") if name.startswith("ledger/")]
        return [row for part in parts for row in pq.read_table(self.read(f"out/{part}")).to_pylist()]

    def _listed(self, prefix: str) -> list[str]:
        listing = self.client.list_objects_v2(Bucket=self.name, Prefix=prefix)
        return [entry["Key"].removeprefix(prefix) for entry in listing.get("Contents", ())]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.close()


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint, name = f"http://{host}:{port}", f"photos-{uuid.uuid4().hex}"
    client = boto3.Session(*KEYS.values(), region_name="us-east-1").client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket=name)
    yield Bucket(name=name, endpoint=endpoint, client=client)
    server.stop()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """So slow a model that there is time for a kill: a photo takes about half a second."""
    torch.manual_seed(0)
    config = ResNetConfig(width=32, blocks=1)
    save_model(tmp_path / "model", ResNet(config), WespeConfig(generator=config), {})
    return tmp_path / "model"


@pytest.fixture
def coffee(demo_photos: Path) -> Image.Image:
    return Image.open(demo_photos / "coffee.png")


def test_a_node_killed_in_the_middle_loses_no_photo(
    cluster: Cluster, bucket: Bucket, model: Path, coffee: Image.Image, repository: Path
) -> None:
    """Nor is one listed twice or half-written; and the job does not need the model's folder once it runs."""
    bucket.fill(coffee, PHOTOS)
    head = cluster.start_head("--port=0", "--num-cpus=0", AWS_ENDPOINT_URL=bucket.endpoint, **KEYS)
    address = head.said(r"--address='(\S+)'")
    workers = [cluster.start(f"--address={address}", "--num-cpus=2", **KEYS) for _ in range(2)]

    for worker in workers:
        worker.said("(Ray runtime started)")

    job = cluster.submit(repository, *enhance(model, bucket))
    wait_until(lambda: at_work(workers, bucket) or job.poll() is not None)
    assert job.poll() is None, job.communicate()[0]
    shutil.rmtree(model)
    workers[0].kill()
    assert len(bucket.names("out/")) < PHOTOS, "the job was too quick for a kill"
    output, _ = job.communicate(timeout=TIMEOUT_S)

    assert job.returncode == 0, output
    assert f"{PHOTOS} done, 0 up to date, 0 failed" in output
    assert bucket.names("out/") == bucket.names("in/")
    for name in bucket.names("out/"):
        result = Image.open(bucket.read(f"out/{name}"))
        result.load()
        assert result.size == coffee.size
    entries = Counter((entry["photo"], entry["status"]) for entry in bucket.ledger())
    assert entries == {(name, "done"): 1 for name in bucket.names("in/")}
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in output


def test_a_cluster_grows_from_nothing_for_a_job(
    cluster: Cluster, bucket: Bucket, model: Path, coffee: Image.Image, repository: Path, tmp_path: Path
) -> None:
    """Protects: a job may start on a cluster without CPUs; the autoscaler adds them."""
    bucket.fill(coffee, 4)
    port = free_port()
    (tmp_path / "autoscaling.json").write_text(json.dumps(autoscaling(port)))
    head = cluster.start_head(
        f"--port={port}",
        "--num-cpus=0",
        f"--autoscaling-config={tmp_path / 'autoscaling.json'}",
        RAY_FAKE_CLUSTER="1",
        AUTOSCALER_UPDATE_INTERVAL_S="1",
        AWS_ENDPOINT_URL=bucket.endpoint,
        **KEYS,
    )

    job = cluster.submit(repository, *enhance(model, bucket))
    output, _ = job.communicate(timeout=TIMEOUT_S)

    assert job.returncode == 0, output
    assert "4 done, 0 up to date, 0 failed" in output
    assert bucket.names("out/") == bucket.names("in/")
    assert head.process.poll() is None


def test_packages_go_with_a_driver_that_runs_elsewhere(
    cluster: Cluster, repository: Path, tmp_path: Path
) -> None:
    """As when they are installed: neither the driver nor the node runs in a checkout."""
    head = cluster.start_head("--port=0", "--num-cpus=1")
    address = head.said(r"--address='(\S+)'")
    driver = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=tmp_path,
        env=cluster.environment(RAY_ADDRESS=address, PYTHONPATH=str(repository)),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert driver.returncode == 0, driver.stderr
    imported = json.loads(driver.stdout)
    assert all(str(head.folder) in file and "py_modules_files" in file for file in imported), imported


def at_work(workers: list[Node], bucket: Bucket) -> bool:
    return len(bucket.names("out/")) >= 3 and all(worker.is_enhancing() for worker in workers)


def enhance(model: Path, bucket: Bucket) -> list[str]:
    places = (f"s3://{bucket.name}/in/", f"s3://{bucket.name}/out/")
    return ["python", "-m", "stages.enhance", "--model", str(model), *places]


def autoscaling(port: int) -> dict[str, Any]:
    """Like deploy/vm.yaml, with Ray's own provider of pretended machines: each is one more node here."""
    commands = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
    address = f"{get_node_ip_address()}:{port}"
    return {
        "cluster_name": "grows",
        "max_workers": 1,
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 5,
        "provider": {"type": "fake_multinode", "gcs_address": address, "disable_node_updaters": True},
        "head_node_type": "ray.head.default",
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "worker": {
                "resources": {"CPU": 2, "object_store_memory": OBJECT_STORE},
                "node_config": {},
                "min_workers": 0,
                "max_workers": 1,
            },
        },
        **{f"{name}_commands": [] for name in commands},
        **{name: {} for name in ("auth", "docker", "file_mounts")},
        "cluster_synced_files": [],
        "file_mounts_sync_continuously": False,
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, f"nothing happened within {TIMEOUT_S} s"
        time.sleep(0.1)
