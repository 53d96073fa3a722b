"""The engine for many photos: Ray Data sends tasks to actors, on all CPUs or GPUs that Ray can provide.

Photos are not sent between processes: each actor reads, enhances and writes them.
"""

import os
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray

from pipeline.cluster import session, wanted_workers
from pipeline.enhancement.enhancer import PHOTOS_AT_ONCE, Enhancer
from pipeline.enhancement.ledger import Entry
from pipeline.enhancement.one_photo import Settings
from pipeline.enhancement.plan import Plan, Task
from pipeline.enhancement.stores import Store
from pipeline.layout import CONFIG, WEIGHTS
from pipeline.models.model_folder import Model, load_model

CPUS_PER_ACTOR = 2
# One photo per Ray task, so that a kill only repeats photos in progress; huge jobs have fewer tasks.
MAX_RAY_TASKS = 5_000
Files = dict[str, bytes]


def on_ray(plan: Plan) -> Generator[Entry]:
    """Enhance on the cluster that RAY_ADDRESS names, or on this machine."""
    if not plan.tasks:
        return
    models = {uri: _files(folder) for uri, folder in plan.folders.items()}
    with session():
        device, pool = _pool(len(plan.tasks))
        rows = ray.data.from_items(
            [asdict(task) for task in plan.tasks], override_num_blocks=min(len(plan.tasks), MAX_RAY_TASKS)
        )
        # By default, Ray Data restarts killed actors and retries their photos.
        entries = rows.map(
            Actor,  # type: ignore[arg-type]
            fn_constructor_args=(models, plan.sources, plan.destination, plan.settings, device),
            **pool,
        )
        for row in entries.iter_rows():
            yield Entry(**row)


class Actor:
    """An enhancer in its own process, perhaps on another machine; its models are sent as bytes."""

    def __init__(
        self,
        models: dict[str, Files],
        sources: dict[str, Store],
        destination: Store,
        settings: Settings,
        device: str,
    ):
        self._enhancer = Enhancer(
            models={uri: _model(files, device) for uri, files in models.items()},
            sources=sources,
            destination=destination,
            settings=settings,
            cpus=CPUS_PER_ACTOR,
        )

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return asdict(self._enhancer(Task(**row)))


def _files(folder: Path) -> Files:
    return {name: (folder / name).read_bytes() for name in (CONFIG, WEIGHTS)}


def _model(files: Files, device: str) -> Model:
    with TemporaryDirectory() as folder:
        for name, data in files.items():
            Path(folder, name).write_bytes(data)
        return load_model(Path(folder), device)


def _pool(tasks: int) -> tuple[str, dict[str, Any]]:
    """Return the device, and the number and resources of actors: one per GPU, or else one per two CPUs.

    Their number grows with the cluster; WESPE_WORKERS is the upper limit.
    """
    resources, clustered = ray.cluster_resources(), "RAY_ADDRESS" in os.environ
    gpus, cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
    # A local session claims more CPUs than the machine has, see pipeline/cluster.py.
    now = wanted_workers() or gpus or max(1, (cpus if clustered else os.cpu_count() or 1) // CPUS_PER_ACTOR)
    most = wanted_workers() or (tasks if clustered else now)
    compute = ray.data.ActorPoolStrategy(
        min_size=1,
        max_size=min(max(now, most), tasks),
        initial_size=min(now, tasks),
        max_concurrent_calls_per_actor=PHOTOS_AT_ONCE,
        enable_true_multi_threading=True,
    )
    share = (
        {"num_gpus": 1} if gpus else {"num_cpus": min(CPUS_PER_ACTOR, _cpus_of_a_node() or CPUS_PER_ACTOR)}
    )
    return ("cuda" if gpus else "cpu"), {"compute": compute, **share}


def _cpus_of_a_node() -> int:
    """Return the CPUs of the largest node; an actor that requests more would wait forever."""
    return max(int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"])
