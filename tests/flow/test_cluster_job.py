"""A job on a real Ray cluster, from S3 to S3, submitted as by a user: nodes fail and join, no photo is lost.

The nodes are processes of this machine, each with folders and an environment of its own: code, model and
endpoint must travel to them, the credentials of S3 must not.
"""

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from ray.util import get_node_ip_address

from pipeline.models.model_files import save_model
from tests.flow.cluster import (
    KEYS,
    OBJECT_STORE,
    TIMEOUT_S,
    Bucket,
    Cluster,
    Node,
    free_port,
    wait_until,
)
from wespe.methods.wespe import WespeConfig
from wespe.networks.resnet import ResNet, ResNetConfig

PHOTOS = 16
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
