"""Logs a trained camera as an MLflow run: settings, losses, scores, pictures, and the model."""

import json
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

import pipeline
import wespe
from pipeline.errors import RegistryError
from pipeline.layout import CONFIG, MLFLOW_ARTIFACTS, MLFLOW_DATABASE, WEIGHTS, CameraPaths, photo_set
from pipeline.models.data_sets import DATA_SETS
from pipeline.models.model_folder import Model

EXPERIMENT = "wespe"
SERVED_MODEL = Path(__file__).with_name("served_model.py")
CODE = [Path(wespe.__file__).parent, Path(pipeline.__file__).parent]
REQUIREMENTS = ("imagecodecs", "numpy", "pillow", "safetensors", "tifffile", "torch")
MOST_DIGEST = 36  # MLflow's limit of characters
BATCH = 1000  # MLflow's limit of metrics per call


@dataclass(frozen=True)
class LoggedRun:
    run_id: str
    model_id: str
    model_uri: str


def log_run(client: MlflowClient, paths: CameraPaths, model: Model) -> LoggedRun:
    """Log a trained camera and its model as one finished run."""
    with mlflow.start_run(experiment_id=experiment_id(client), run_name=paths.camera) as run:
        data = _flat({"data": model.config.get("data", {})})
        mlflow.set_tags({"camera": paths.camera, "git": _git_revision(), **data})
        _log_sets(paths, model)
        mlflow.log_params(_flat({key: value for key, value in model.config.items() if key != DATA_SETS}))
        log_metrics(client, run.info.run_id, _losses(paths))
        mlflow.log_artifact(str(paths.losses))
        log_scores(client, run.info.run_id, paths)
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(SERVED_MODEL),
            code_paths=[str(folder) for folder in CODE],
            artifacts={"weights": str(paths.model / WEIGHTS), "config": str(paths.model / CONFIG)},
            # Package indexes do not have local version suffixes, such as +cu128.
            pip_requirements=[f"{name}=={version(name).split('+')[0]}" for name in REQUIREMENTS],
        )
    return LoggedRun(run.info.run_id, logged.model_id, logged.model_uri)


def _log_sets(paths: CameraPaths, model: Model) -> None:
    """Log the two sets of patches as the run's data sets, by the digests of their indexes."""
    addresses = {"source": f"cameras.{paths.camera}", "target": f"targets.{model.config.get('target')}"}
    for kind, digest in model.config.get("data", {}).items():
        place = CodeDatasetSource({"dvc": str(photo_set(addresses[kind]).patches)})
        patches = MetaDataset(place, addresses[kind], digest[:MOST_DIGEST])  # type: ignore[abstract]
        mlflow.log_input(patches, context=f"training {kind}")


def log_scores(client: MlflowClient, run_id: str, paths: CameraPaths) -> None:
    """Log scores and pictures; they replace those of earlier evaluations of the same model."""
    log_metrics(client, run_id, _scores(paths))
    for file in (paths.scores, paths.intervals):
        client.log_artifact(run_id, str(file))
    client.log_artifacts(run_id, str(paths.pictures), paths.pictures.name)


def log_metrics(client: MlflowClient, run_id: str, values: Iterable[tuple[str, float, int]]) -> None:
    """Log (name, value, step) tuples to a run, which may have finished."""
    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, step) for name, value, step in values]
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run_id, metrics[start : start + BATCH])


def experiment_id(client: MlflowClient) -> str:
    """Return the experiment's id; without a server, its artifacts are stored in this checkout."""
    embedded = not mlflow.get_tracking_uri().startswith("http")
    here = MLFLOW_ARTIFACTS.resolve().as_uri() if embedded else None
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        try:
            return client.create_experiment(EXPERIMENT, artifact_location=here)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
        return experiment_id(client)  # another process was faster
    # MLflow stores absolute paths: in a moved or copied checkout it would write to the old folder.
    if here and found.artifact_location.startswith("file:") and found.artifact_location != here:
        raise RegistryError(
            f"the MLflow database stores its models in {found.artifact_location}, not in this checkout; work "
            f"there, or move {MLFLOW_DATABASE} and {MLFLOW_ARTIFACTS} away and run `dvc repro --force`"
        )
    return found.experiment_id


def _losses(paths: CameraPaths) -> Iterator[tuple[str, float, int]]:
    for record in json.loads(paths.losses.read_bytes()):
        step = record.pop("step")
        yield from ((f"train/{key}", value, step) for key, value in record.items() if key != "rolled_back")


def _scores(paths: CameraPaths) -> Iterator[tuple[str, float, int]]:
    """Yield means such as `test/enhanced/psnr`, and the ends of intervals, `….low` and `….high`."""
    for variant, metrics in json.loads(paths.intervals.read_bytes()).items():
        for metric, interval in metrics.items():
            yield f"test/{variant}/{metric}", interval["mean"], 0
            for end in ("low", "high"):
                if interval[end] is not None:
                    yield f"test/{variant}/{metric}.{end}", interval[end], 0


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings: {"a": {"b": 1}} → {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _git_revision() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or "no git revision"
