"""From photos to a model and its scores on a cluster that sees nothing of the driver's disk.

All goes through S3: photos, patches, checkpoints. A node is killed in the middle of the training.
"""

from contextlib import chdir
from pathlib import Path

import pytest

from pipeline import store
from pipeline.layout import CameraPaths
from tests.flow.cluster import KEYS, TIMEOUT_S, Bucket, Cluster, Node, has_namespaces, wait_until
from tests.flow.test_kills import Workplace, uncut

pytestmark = pytest.mark.skipif(not has_namespaces(), reason="this user cannot bar a process from folders")
CHECKPOINT = "store/runs/phone/"


def test_nodes_without_the_drivers_disk_train_the_same_model(
    cluster: Cluster, bucket: Bucket, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit what a training on one machine gives, although a node is killed in the middle."""
    at_store = {
        "WESPE_STORE": f"s3://{bucket.name}/store",
        "AWS_ENDPOINT_URL": bucket.endpoint,
        "AWS_REGION": "us-east-1",
    }
    head = cluster.start_head("--port=0", "--num-cpus=0", without=tmp_path)
    address = head.said(r"--address='(\S+)'")
    nodes = [
        cluster.start(f"--address={address}", "--num-cpus=4", without=tmp_path, **KEYS) for _ in range(2)
    ]
    for node in nodes:
        node.said("(Ray runtime started)")
    (tmp_path / "driver").mkdir()
    driver = Workplace(
        tmp_path / "driver",
        cluster.environment(RAY_ADDRESS=address, PYTHONPATH=str(repository), **KEYS, **at_store),
    )
    for name in ("targets.good", "cameras.phone"):
        driver.run("stages.fetch", name)
        driver.run("stages.patchify", name)
    driver.run("stages.features", "phone")
    training = driver.start("stages.train", "phone")
    wait_until(lambda: checkpoints(bucket) or training.poll() is not None)
    assert training.poll() is None, training.communicate()[0]
    [busy] = [node for node in nodes if node_trains(node)]
    busy.kill()
    output, _ = training.communicate(timeout=TIMEOUT_S)
    assert training.returncode == 0, output
    driver.run("stages.evaluate", "phone")

    here = {path.suffix for path in (driver.folder / "data").rglob("*") if path.is_file()}
    assert not here & {".jpg", ".png"}
    assert [path.name for path in (driver.folder / "data").rglob("*.parquet")] == ["manifest.parquet"] * 2
    assert not checkpoints(bucket)  # deleted once the model is kept
    assert list((driver.folder / CameraPaths(camera="phone").metrics).glob("*.json"))
    for name, value in (at_store | KEYS).items():
        monkeypatch.setenv(name, value)
    store._client.cache_clear()
    store._opened.cache_clear()
    with chdir(driver.folder):
        assert driver.weights() == uncut(tmp_path / "uncut")


def checkpoints(bucket: Bucket) -> list[str]:
    return [name for name in bucket.listed(CHECKPOINT) if "checkpoint_" in name and "history" in name]


def node_trains(node: Node) -> bool:
    return any("RayTrainWorker" in " ".join([one.name(), *one.cmdline()]) for one in node.processes())
