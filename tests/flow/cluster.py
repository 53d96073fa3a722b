"""A Ray cluster of several nodes, and an S3, on this machine: each node has a folder of its own.

Nodes are processes. Where the user may make mount namespaces (root on Linux), a node can also be barred from
folders of this machine, as if it had another disk.
"""

import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import boto3
import psutil
import pyarrow.parquet as pq
from moto.server import ThreadedMotoServer
from PIL import Image

BIN = Path(sys.executable).parent
MARK = "WESPE_TEST_CLUSTER"  # in the environment of all that a cluster starts
KEYS = {"AWS_ACCESS_KEY_ID": "AKIATESTKEY", "AWS_SECRET_ACCESS_KEY": "s3cret"}
TIMEOUT_S = 900  # a cluster has a dozen processes, and other tests want the cores too
OBJECT_STORE = 80_000_000  # bytes, the least that Ray takes is 75 MiB


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

    def start(self, *options: str, without: Path | None = None, **environment: str) -> Node:
        """Start a node. without: a folder that is empty for it, as on another machine's disk."""
        folder = self.folder / str(len(self.nodes))
        folder.mkdir()
        command = ["ray", "start", "--block", f"--temp-dir={folder}", f"--object-store-memory={OBJECT_STORE}"]
        command += ["--dashboard-agent-listen-port=0", *options]
        with open(folder / "output", "w") as output:
            process = subprocess.Popen(
                barred(without, command) if without else command,
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
        return [name for name in self.listed(prefix) if name.endswith(".jpg")]

    def read(self, key: str) -> io.BytesIO:
        return io.BytesIO(self.client.get_object(Bucket=self.name, Key=key)["Body"].read())

    def ledger(self) -> list[dict[str, str]]:
        parts = [name for name in self.listed("out/") if name.startswith("ledger/")]
        return [row for part in parts for row in pq.read_table(self.read(f"out/{part}")).to_pylist()]

    def listed(self, prefix: str) -> list[str]:
        listing = self.client.list_objects_v2(Bucket=self.name, Prefix=prefix)
        return [entry["Key"].removeprefix(prefix) for entry in listing.get("Contents", ())]


@contextmanager
def s3_bucket() -> Iterator[Bucket]:
    """Start an S3 with one empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint, name = f"http://{host}:{port}", f"photos-{uuid.uuid4().hex}"
    client = boto3.Session(*KEYS.values(), region_name="us-east-1").client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket=name)
    yield Bucket(name=name, endpoint=endpoint, client=client)
    server.stop()


@cache
def has_namespaces() -> bool:
    """Tell whether nodes can be barred from folders."""
    with suppress(OSError):
        return not subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]).returncode
    return False


def barred(folder: Path, command: list[str]) -> list[str]:
    """Return the command that runs another one in which a folder of this machine is empty."""
    script = 'mount -t tmpfs none "$0" && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, str(folder), *command]


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
