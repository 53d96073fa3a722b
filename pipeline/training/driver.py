"""Ray Data into Ray Train: start the workers, show how far they are, keep what they learned."""

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.train.v2.api.exceptions import TrainingFailedError
from ray.util.queue import Empty, Queue

import wespe
from pipeline import cluster
from pipeline.errors import TrainingError
from pipeline.files import write_atomically
from pipeline.layout import CameraPaths, photo_set
from pipeline.logs import Progress
from pipeline.patches import stream
from pipeline.patches.shards import Index
from pipeline.training.rank import HISTORY, MODEL, Run, train
from pipeline.training.ray_context import RayContext
from wespe.training import describe

MAX_FAILURES = 3
# What can change the course of a run.
CODE = (Path(wespe.__path__[0]), Path(__file__).parent, Path(stream.__file__).parent)


def train_camera(run: Run, source: Index, target: Index) -> None:
    """Train on the cluster and put the model and its losses into the camera's folders.

    A paired method learns from the source's pairs, an unpaired one from source and target.
    A worker that dies is replaced and goes on from the last checkpoint; so does a killed driver that is
    started again with the same settings, data and code. Raises TrainingError, ShardError.
    """
    paths = CameraPaths(camera=run.camera)
    workers = worker_count()
    if run.training.batch_size % workers:
        raise TrainingError(
            f"camera {run.camera}: training.batch_size {run.training.batch_size} is no multiple of the "
            f"{workers} workers; change it in the preset, or set WESPE_WORKERS"
        )
    folder = paths.runs.resolve() / run_name(run)
    if latest_step(folder) < run.training.steps:
        _fit(run, source, target, folder, workers)
    _keep(folder, paths)
    shutil.rmtree(paths.runs, ignore_errors=True)


def worker_count() -> int:
    """WESPE_WORKERS, else one worker per GPU of the cluster, else one. Raises TrainingError."""
    return cluster.wanted_workers() or int(ray.cluster_resources().get("GPU", 0)) or 1


def run_name(run: Run) -> str:
    """Digest of settings, data and code: a changed run never goes on from another's checkpoint."""
    digest = hashlib.sha256(json.dumps(asdict(run), sort_keys=True).encode())
    code = [path for folder in CODE for path in sorted(folder.rglob("*.py"))]
    features = _features(run)
    for path in [*code, *([features] if features.is_file() else [])]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _features(run: Run) -> Path:
    return photo_set(f"cameras.{run.camera}").features


def latest_step(folder: Path) -> int:
    """The step of the newest checkpoint in a run's folder, 0 without one."""
    history = _history(folder)
    return history[-1]["step"] if history else 0


def _fit(run: Run, source: Index, target: Index, folder: Path, workers: int) -> None:
    if (step := latest_step(folder)) > 0:
        print(f"train {run.camera}: going on from step {step}", flush=True)
    indexes = {"pairs": source} if run.paired else {"source": source, "target": target}
    with _progress(run) as messages:
        trainer = TorchTrainer(
            _worker,
            train_loop_config={"run": run, "features": str(_features(run).resolve())},
            datasets={name: _dataset(run, index, name, folder, workers) for name, index in indexes.items()},
            dataset_config=ray.train.DataConfig(execution_options=_in_order()),
            scaling_config=_scaling(workers),
            run_config=RunConfig(
                name=folder.name,
                storage_path=str(folder.parent),
                failure_config=FailureConfig(max_failures=MAX_FAILURES),
                checkpoint_config=CheckpointConfig(num_to_keep=run.training.checkpoints_kept),
                callbacks=[_Reports(messages)],  # type: ignore[list-item]
            ),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            failures = getattr(error, "worker_failures", None) or {0: error}
            cause = cluster.root_cause(next(iter(failures.values())))
            raise TrainingError(f"camera {run.camera}: {cause}") from error


def _worker(config: dict[str, Any]) -> None:
    run: Run = config["run"]
    context = RayContext(batch_size=run.training.batch_size, size_px=run.size_px, paired=run.paired)
    if context.device.type == "cpu":  # Ray grants one thread per logical CPU asked for
        on_node = ray.train.get_context().get_local_world_size()
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // on_node))
    try:
        train(run, context, Path(config["features"]))
    except TrainingError as error:
        # Ray Train would try again what can only fail again; every rank comes here together.
        context.report({"error": str(error)}, None)


def _dataset(run: Run, index: Index, name: str, folder: Path, workers: int) -> Callable[[], ray.data.Dataset]:
    """Made anew for every group of workers, so that it begins at their checkpoint's row.

    One worker sees the very rows it would have seen; several may meet some of a window again, or not at all.
    """
    patches = stream.stream_of(index, "train", name=name, seed=run.training.seed, paired=run.paired)
    batch_size, steps = run.training.batch_size, run.training.steps

    def make() -> ray.data.Dataset:
        cluster.quiet_data()
        step = latest_step(folder)
        return stream.dataset(
            patches, first_row=step * batch_size, rows=(steps - step) * batch_size, workers=workers
        )

    return make


def _in_order() -> ray.data.ExecutionOptions:
    return ray.data.ExecutionOptions(preserve_order=True)


def _scaling(workers: int) -> ScalingConfig:
    """GPUs if the cluster has them; else the cores of this machine, shared evenly."""
    if ray.cluster_resources().get("GPU", 0) >= workers:
        return ScalingConfig(num_workers=workers, use_gpu=True)
    return ScalingConfig(num_workers=workers, resources_per_worker={"CPU": 1})


class _Reports(ray.train.UserCallback):
    """Runs beside the driver, in the controller's process; hands every record over."""

    def __init__(self, messages: Queue):
        self._messages = messages

    def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Any) -> None:
        self._messages.put(metrics[0])


@contextmanager
def _progress(run: Run) -> Iterator[Queue]:
    """Show records as they come; an `error` among them is raised at the end."""
    messages = Queue(actor_options={"num_cpus": 0})
    errors: list[str] = []
    ended = threading.Event()

    def show() -> None:
        line: Progress | None = None
        while not (ended.is_set() and messages.empty()):
            try:
                record = messages.get(timeout=0.5)
            except Empty:
                continue
            if "error" in record:
                errors.append(record["error"])
            elif line is None:  # the clock starts with the first steps, not with the workers
                line = Progress(f"train {run.camera}", run.training.steps, "steps", 5.0, record["step"])
                line.update(0, describe(record))
            else:
                line.update(max(0, record["step"] - line.done), describe(record))

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


def _keep(folder: Path, paths: CameraPaths) -> None:
    """Copy the last checkpoint's model and history out of the run's folder."""
    last = _last_checkpoint(folder)
    assert last is not None
    paths.model.mkdir(parents=True, exist_ok=True)
    for file in sorted((last / MODEL).iterdir()):
        write_atomically(paths.model / file.name, file.read_bytes())
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


def _history(folder: Path) -> list[dict[str, Any]]:
    last = _last_checkpoint(folder)
    return json.loads((last / HISTORY).read_bytes()) if last else []


def _last_checkpoint(folder: Path) -> Path | None:
    """What Ray Train itself would go on from."""
    try:
        checkpoint = ray.train.Result.from_path(str(folder)).checkpoint
    except RuntimeError:  # no such run, or it has no checkpoint yet
        return None
    return Path(checkpoint.path) if checkpoint else None
