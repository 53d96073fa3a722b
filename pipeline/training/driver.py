"""Trains one camera with Ray: starts the workers, shows their progress, stores the model and its losses."""

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any

import ray
import ray.train
import torch
from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.train.v2.api.exceptions import TrainingFailedError
from ray.util.queue import Empty, Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline import cluster, store
from pipeline.code import code_digest
from pipeline.errors import ShardError, TrainingError
from pipeline.files import write_atomically
from pipeline.layout import FEATURES, CameraPaths, photo_set
from pipeline.patches.dataset import dataset
from pipeline.patches.groups import ShardGroups
from pipeline.patches.shards import WHOLE, Index
from pipeline.patches.stream import Stream, stream_of
from pipeline.training.checkpoint import HISTORY, MODEL
from pipeline.training.progress import TrainingProgress
from pipeline.training.rank import train
from pipeline.training.ray_context import RayContext
from pipeline.training.run import Run
from wespe.guard import DivergenceError

MAX_FAILURES = 3


def train_camera(run: Run, source: Index, target: Index) -> None:
    """Train on the cluster and write the model and its losses to the camera's folders.

    A paired method learns from the source's pairs, an unpaired one from source and target. After a failure,
    workers are restarted and resume from the last checkpoint. A killed driver resumes as well if it is
    started again with the same settings, data and code. Raises TrainingError, ShardError.
    """
    paths = CameraPaths(camera=run.camera)
    workers = worker_count()
    if run.training.batch_size % workers:
        raise TrainingError(
            f"camera {run.camera}: training.batch_size {run.training.batch_size} must be a multiple of the "
            f"number of workers ({workers}); change it in the preset, or set WESPE_WORKERS"
        )
    name = run_name(run)
    folder = store.place(paths.runs / name, f"runs/{run.camera}/{name}")
    if not is_complete(run, folder):
        fit(run, source, target, folder, workers)
    _keep(folder, paths)
    store.delete_folder(folder)
    shutil.rmtree(paths.runs, ignore_errors=True)  # of earlier settings; a store's may be someone else's


def worker_count() -> int:
    """Return WESPE_WORKERS; if unset, the cluster's number of GPUs, at least 1. Raises TrainingError."""
    return cluster.wanted_workers() or int(ray.cluster_resources().get("GPU", 0)) or 1


def run_name(run: Run) -> str:
    """Return a digest of settings, data and code: a changed run never resumes from an old checkpoint."""
    settings = {key: value for key, value in asdict(run).items() if key != "data_sets"}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(code_digest(__name__, f"wespe.methods.{run.method.name}").encode())
    if (features := _features(run)).is_file():
        digest.update(features.read_bytes())
    return digest.hexdigest()[:16]


def is_complete(run: Run, folder: str) -> bool:
    """Tell whether the newest checkpoint in a run's folder is at the last step."""
    history = _history(folder)
    return bool(history) and history[-1]["step"] >= run.training.steps


def latest_step(folder: str) -> int:
    """Return the step of the newest checkpoint in a run's folder, 0 without one."""
    history = _history(folder)
    return history[-1]["step"] if history else 0


def fit(run: Run, source: Index, target: Index, folder: str, workers: int) -> None:
    """Train with Ray, or resume. Raises TrainingError, ShardError, StoreError.

    folder: where Ray keeps the run's checkpoints: an absolute path, or a place in the store.
    """
    step, noun = latest_step(folder), "worker" if workers == 1 else "workers"
    what = f"resuming from step {step} of" if step else "starting"
    print(f"train {run.camera}: {what} {run.training.steps:,} steps on {workers} {noun}", flush=True)
    streams = list(_streams(run, source, target))
    whole = [ShardGroups.of(one.whole, "train") for one in (source, target)] if run.needs_whole else []
    # Sent with the task: workers on other machines cannot read the file. Random features need none.
    features = ray.put(_features(run).read_bytes() if _features(run).is_file() else b"")
    storage, path = store.filesystem(folder)
    with _progress(run) as messages:
        trainer = TorchTrainer(
            _worker,
            train_loop_config={
                "run": run,
                "groups": [stream.groups for stream in streams if stream.name != WHOLE],
                "whole": whole,
                "features": features,
                "messages": messages,
            },
            datasets={stream.name: _dataset(run, stream, folder, workers) for stream in streams},
            dataset_config=ray.train.DataConfig(execution_options=_in_order()),
            scaling_config=_scaling(workers),
            run_config=RunConfig(
                name=PurePath(path).name,
                storage_path=str(PurePath(path).parent),
                storage_filesystem=storage,
                failure_config=FailureConfig(max_failures=MAX_FAILURES),
                checkpoint_config=CheckpointConfig(num_to_keep=run.training.checkpoints_kept),
            ),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            failures = getattr(error, "worker_failures", None) or {0: error}
            cause = cluster.root_cause(next(iter(failures.values())))
            raise TrainingError(f"camera {run.camera}: {cause}") from error


def _streams(run: Run, source: Index, target: Index) -> Iterator[Stream]:
    for name in run.streams:
        index = {"pairs": source, "source": source}.get(name, target)
        whole = run.whole_photos or name == WHOLE
        yield stream_of(
            index.whole if whole else index,
            "train",
            name=name,
            seed=run.training.seed,
            paired=run.paired and name != WHOLE,
            rotates=not whole,
        )


def _worker(config: dict[str, Any]) -> None:
    run: Run = config["run"]
    messages: Queue = config["messages"]
    context = RayContext(run, config["groups"], messages, whole=config["whole"])
    if context.device.type == "cpu":  # Ray grants one thread per logical CPU asked for
        on_node = ray.train.get_context().get_local_world_size()
        torch.set_num_threads(max(1, cluster.cpus_here() // on_node))
    try:
        with TemporaryDirectory() as folder:
            features = Path(folder) / FEATURES
            features.write_bytes(ray.get(config["features"]))
            train(run, context, features)
    except (TrainingError, ShardError, DivergenceError) as error:
        # Do not raise: Ray Train would retry, and fail again. All ranks reach this point together.
        messages.put(("error", _explained(run, error)))


def _explained(run: Run, error: Exception) -> str:
    if not isinstance(error, DivergenceError):
        return str(error)
    rate = run.learner.optimiser.learning_rate
    return (
        f"camera {run.camera}: {error}; lower learner.optimiser.learning_rate (now {rate:g}) "
        f"or raise guard.rollbacks (now {run.guard.rollbacks}) in its preset and run `dvc repro` again"
    )


def _dataset(run: Run, stream: Stream, folder: str, workers: int) -> Callable[[], ray.data.Dataset]:
    """Return a function that creates the dataset, starting at the row of the latest checkpoint.

    Ray calls it for every new group of workers. After a restart, one worker gets exactly the rows that it
    would have got; several workers may get some rows of a window twice or not at all.
    """

    def make() -> ray.data.Dataset:
        cluster.quiet_data()
        first_row = latest_step(folder) * run.training.batch_size
        return dataset(stream, first_row=first_row, rows=run.rows - first_row, workers=workers)

    return make


def _in_order() -> ray.data.ExecutionOptions:
    return ray.data.ExecutionOptions(preserve_order=True, resource_limits=cluster.data_limits())


def _scaling(workers: int) -> ScalingConfig:
    """Use one GPU per worker if the cluster has enough, else one CPU per worker."""
    if ray.cluster_resources().get("GPU", 0) >= workers:
        return ScalingConfig(num_workers=workers, use_gpu=True)
    return ScalingConfig(num_workers=workers, resources_per_worker={"CPU": 1})


@contextmanager
def _progress(run: Run) -> Iterator[Queue]:
    """Show the workers' messages, which name a method of TrainingProgress; raise their errors at the end."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    messages = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})  # another node may be lost
    errors: list[str] = []
    ended = threading.Event()

    def show() -> None:
        line = TrainingProgress(f"train {run.camera}", run.training.steps)
        while not (ended.is_set() and messages.empty()):
            try:
                kind, content = messages.get(timeout=0.5)
            except Empty:
                continue
            if kind == "error":
                errors.append(content)
            else:
                getattr(line, kind)(content)

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield messages
    finally:
        ended.set()
        thread.join()
        messages.shutdown()
    if errors:
        raise TrainingError(errors[0])


def _features(run: Run) -> Path:
    return photo_set(f"cameras.{run.camera}").features


def _keep(folder: str, paths: CameraPaths) -> None:
    """Copy model and history of the last checkpoint to the camera's folders."""
    last = last_checkpoint(folder)
    assert last is not None
    paths.model.mkdir(parents=True, exist_ok=True)
    for name in store.names(f"{last}/{MODEL}"):
        write_atomically(paths.model / name, store.read(f"{last}/{MODEL}/{name}"))
    shutil.rmtree(paths.loss_curves, ignore_errors=True)
    paths.loss_curves.mkdir(parents=True)
    history = _history(folder)
    _write_records(paths.losses, history)
    for name in {name for record in history for name in record} - {"step", "rolled_back"}:
        curve = [{"step": record["step"], name: record[name]} for record in history if name in record]
        _write_records(paths.loss_curves / f"{name}.json", curve)


def _write_records(path: Path, records: list[dict[str, Any]]) -> None:
    lines = ",\n".join(json.dumps(record) for record in records)
    write_atomically(path, f"[\n{lines}\n]\n".encode())


def _history(folder: str) -> list[dict[str, Any]]:
    last = last_checkpoint(folder)
    return json.loads(store.read(f"{last}/{HISTORY}")) if last else []


def last_checkpoint(folder: str) -> str | None:
    """Return the place of the checkpoint from which Ray Train would resume. Raises StoreError."""
    storage, path = store.filesystem(folder)
    with store.explained(folder):
        try:
            checkpoint = ray.train.Result.from_path(path, storage_filesystem=storage).checkpoint
        except RuntimeError:  # the run does not exist, or has no checkpoint yet
            return None
    return f"{folder}/{PurePath(checkpoint.path).name}" if checkpoint else None
