"""The files of deploy/ are valid for Ray and Kubernetes, and agree with this checkout."""

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import jsonschema
import pytest
import ray
import yaml
from ray._private.runtime_env.packaging import create_package

CPUS_PER_WORKER = 2  # of ours, see pipeline/enhancement
UPLOAD_BYTES = 5_000_000  # Ray allows 500 MiB, but a job should start quickly
CRD = "WESPE_RAYCLUSTER_CRD"


@pytest.fixture
def deploy(repository: Path) -> Path:
    return repository / "deploy"


@pytest.fixture
def vm(deploy: Path) -> dict[str, Any]:
    return yaml.safe_load((deploy / "vm.yaml").read_text())


@pytest.fixture
def kuberay(deploy: Path) -> dict[str, Any]:
    return yaml.safe_load((deploy / "kuberay.yaml").read_text())


def test_the_vm_file_is_valid_for_rays_launcher(vm: dict[str, Any]) -> None:
    schema = json.loads((Path(ray.__file__).parent / "autoscaler/ray-schema.json").read_text())
    jsonschema.validate(vm, schema)
    assert vm["head_node_type"] in vm["available_node_types"]


def test_the_cluster_is_valid_for_kuberay(kuberay: dict[str, Any]) -> None:
    """Against the resource definition of your KubeRay, which is not part of this repository."""
    if CRD not in os.environ:
        pytest.skip(f"set {CRD} to KubeRay's ray.io_rayclusters.yaml")
    definition = yaml.safe_load(Path(os.environ[CRD]).read_text())
    [version] = [one for one in definition["spec"]["versions"] if one["name"] == "v1"]
    jsonschema.validate(kuberay, strict(version["schema"]["openAPIV3Schema"]))


def strict(schema: Any) -> Any:
    """Reject unknown fields, which Kubernetes ignores."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: strict(part) for key, part in schema.items()}
    closed = schema.get("type") == "object" and "properties" in schema
    return {**parts, "additionalProperties": False} if closed else parts


def test_ray_and_python_are_those_of_the_lock(repository: Path, deploy: Path, kuberay: dict) -> None:
    """Ray rejects nodes of another version, and pickles cannot be read by another version of Python."""
    locked = re.search(r"^ray==(\S+)", (repository / "requirements.lock").read_text(), re.MULTILINE)[1]  # type: ignore[index]
    assert kuberay["spec"]["rayVersion"] == locked
    text = "".join(file.read_text() for file in deploy.iterdir())
    images = set(re.findall(r"[\w/-]*ray:(\S+)", text))
    assert images == {f"{locked}-py311"}
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"


def test_every_node_of_a_cluster_has_one_image(vm: dict[str, Any], kuberay: dict[str, Any]) -> None:
    images = {container["image"] for _, container in containers(kuberay)}
    assert images == {vm["docker"]["image"]}


def test_workers_are_large_enough_and_the_head_gets_no_photos(
    vm: dict[str, Any], kuberay: dict[str, Any]
) -> None:
    spec = kuberay["spec"]
    assert spec["enableInTreeAutoscaling"]
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for group, container in containers(kuberay):
        resources = container["resources"]
        assert resources["requests"] == resources["limits"]
        assert int(resources["limits"]["cpu"]) >= CPUS_PER_WORKER
        assert ("nvidia.com/gpu" in resources["limits"]) == (group == "gpu")
    for group in spec["workerGroupSpecs"]:
        assert 0 <= group["minReplicas"] <= group["maxReplicas"] > 0

    types = vm["available_node_types"]
    assert types.pop(vm["head_node_type"])["resources"] == {"CPU": 0}
    assert types["gpu"]["resources"]["GPU"] == 1
    for one in types.values():
        assert one["resources"]["CPU"] >= CPUS_PER_WORKER
        assert 0 <= one["min_workers"] <= one["max_workers"] > 0
    assert vm["max_workers"] == sum(one["max_workers"] for one in types.values())


def containers(kuberay: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    spec = kuberay["spec"]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        [container] = group["template"]["spec"]["containers"]
        yield group.get("groupName", "head"), container


def test_a_job_packages_all_code_and_nothing_else(repository: Path, deploy: Path, tmp_path: Path) -> None:
    """Ray packs the checkout; what git does not track stays here: photos, models, environments."""
    environment = yaml.safe_load((deploy / "runtime-env.yaml").read_text())
    create_package(
        str(repository),
        tmp_path / "job.zip",
        include_gitignore=True,
        excludes=[*environment["excludes"], ".git", ".venv", "venv", "__pycache__"],  # Ray's own
    )
    packed = {name for name in ZipFile(tmp_path / "job.zip").namelist() if not name.endswith("/")}
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    known = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout
    code = {name for name in known.splitlines() if name.startswith(("wespe/", "pipeline/", "stages/"))}
    assert code | {"params.yaml"} <= packed <= set(known.splitlines())
    assert (tmp_path / "job.zip").stat().st_size < UPLOAD_BYTES


def test_nothing_secret_travels_with_a_job(deploy: Path) -> None:
    """Protects: anyone who can see the dashboard can read a job's environment."""
    text = (deploy / "runtime-env.yaml").read_text()
    assert not re.findall(r"(?i)secret|token:|access_key|password:", text)


def test_commands_of_the_readme_exist(deploy: Path) -> None:
    modules = re.findall(r"python -m (stages\.\w+)", (deploy / "README.md").read_text())
    assert modules
    assert all(map(find_spec, modules))
