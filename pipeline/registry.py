"""The only door to MLflow: one run per trained camera, one registered model `wespe-<camera>`.

MLFLOW_TRACKING_URI names the server; without it, a SQLite file and a folder in this checkout serve. Every new
version gets the alias `challenger`, and `champion` if there is none or if it beats it (see verdict.py).
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from pipeline.checkpoints import Model, load_model
from pipeline.errors import PipelineError, RegistryError
from pipeline.files import write_atomically
from pipeline.layout import CONFIG, MLFLOW_DATABASE, SCORES, WEIGHTS, CameraPaths
from pipeline.scores import Score, read_scores, summarise
from pipeline.tracking import log_run
from pipeline.verdict import Verdict, compare

CHAMPION, CHALLENGER = "champion", "challenger"
SHA256, VERDICT = "sha256", "verdict"  # tags of a version
TARGET = "target"  # its name and the digest of its patches: what a colour distance is measured to
PING_TIMEOUT_S = 5
EXAMPLE = f"models:/NAME@{CHAMPION}"
MODEL_URI = re.compile(r"models:/(?P<name>[^/@]+)(@(?P<alias>[^/@]+)|/(?P<version>\d+))")


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What became of a camera's model; `new` is False when these weights had a version already."""

    name: str
    version: int
    aliases: list[str]
    sha256: str
    run_id: str
    reason: str
    new: bool


def register_camera(camera: str) -> Registration:
    """Log a trained camera's run and register its model, once per weights. Raises RegistryError."""
    paths, name = CameraPaths(camera=camera), f"wespe-{camera}"
    model, scores = load_model(paths.model), read_scores(paths.scores)
    with _mlflow() as client:
        version = _version_of(client, name, model.sha256)
        new = version is None
        if version is None:
            version = _register(client, name, paths, model, scores)
        # A version without a verdict is one whose registration was interrupted.
        if VERDICT not in version.tags:
            _decide(client, version, scores)
            version = client.get_model_version(name, version.version)
        registration = Registration(
            name=name,
            version=int(version.version),
            aliases=_aliases(client, version),
            sha256=model.sha256,
            run_id=version.run_id or "",
            reason=version.tags[VERDICT],
            new=new,
        )
    write_atomically(paths.registered, json.dumps(asdict(registration), indent=1).encode() + b"\n")
    return registration


def fetch_model(uri: str) -> Path:
    """Return the local folder of `models:/name@alias`, `models:/name/3` or a path. Raises RegistryError."""
    if not uri.startswith("models:"):
        if not all((Path(uri) / file).is_file() for file in (WEIGHTS, CONFIG)):
            raise RegistryError(f"{uri} holds no {WEIGHTS} and {CONFIG}; name a model folder or {EXAMPLE}")
        return Path(uri)
    match = MODEL_URI.fullmatch(uri)
    if match is None:
        raise RegistryError(f"{uri} is no model URI; write {EXAMPLE} or models:/NAME/3")
    with _mlflow() as client:
        version = _find(client, uri, match["name"], match["alias"], match["version"])
        artifacts = f"models:/{version.name}/{version.version}/artifacts"
        return Path(mlflow.artifacts.download_artifacts(artifacts))


@contextmanager
def _mlflow() -> Iterator[MlflowClient]:
    """Connect, and turn what goes wrong into one line that holds no password."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{MLFLOW_DATABASE.resolve()}"
    public = re.sub(r"(?<=//)[^/]*@", "", uri)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        if uri.startswith("http"):
            # MLflow itself would try for minutes. Any answer will do: a server's errors are left to MLflow.
            requests.head(uri, timeout=PING_TIMEOUT_S)
        mlflow.set_tracking_uri(uri)
        yield MlflowClient(uri)
    except requests.RequestException:
        raise RegistryError(
            f"MLflow does not answer at {public}; start it, correct MLFLOW_TRACKING_URI, or unset it to use "
            f"{MLFLOW_DATABASE}"
        ) from None
    except (MlflowException, SQLAlchemyError, ImportError, PermissionError) as error:
        reason = str(error).replace(uri, public).splitlines()[0]
        raise RegistryError(
            f"MLflow at {public}: {reason}; check MLFLOW_TRACKING_URI and try again"
        ) from None


def _version_of(client: MlflowClient, name: str, sha256: str) -> ModelVersion | None:
    found = client.search_model_versions(f"name = '{name}' and tags.{SHA256} = '{sha256}'")
    return found[0] if found else None


def _register(
    client: MlflowClient, name: str, paths: CameraPaths, model: Model, scores: list[Score]
) -> ModelVersion:
    """Log the run, then make the version of its model, with sha256 and scores as tags."""
    logged = log_run(client, paths, model)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    tags = {
        f"{variant}.{metric}": f"{interval['mean']:.4f}"
        for variant, metrics in summarise(scores).items()
        for metric, interval in metrics.items()
    }
    tags[SHA256] = model.sha256
    tags[TARGET] = f"{model.config.get('target')} {model.config.get('data', {}).get('target')}"
    return client.create_model_version(name, logged.model_uri, logged.run_id, tags, model_id=logged.model_id)


def _decide(client: MlflowClient, version: ModelVersion, scores: list[Score]) -> None:
    """Set the aliases; the verdict's tag comes last, as the mark of a finished registration."""
    verdict = _verdict(client, version, scores)
    client.set_registered_model_alias(version.name, CHALLENGER, version.version)
    if verdict.promote:
        client.set_registered_model_alias(version.name, CHAMPION, version.version)
    client.set_model_version_tag(version.name, version.version, VERDICT, verdict.reason)


def _verdict(client: MlflowClient, version: ModelVersion, scores: list[Score]) -> Verdict:
    number = client.get_registered_model(version.name).aliases.get(CHAMPION)
    if number is None:
        return Verdict(promote=True, reason="the first champion")
    if int(number) == int(version.version):
        return Verdict(promote=True, reason="the champion already")
    run_id = client.get_model_version(version.name, number).run_id or ""
    try:
        with TemporaryDirectory() as folder:
            champion = read_scores(Path(client.download_artifacts(run_id, SCORES, folder)))
    except (MlflowException, PipelineError, OSError):
        reason = f"the champion stays: the scores of version {number} cannot be read"
        return Verdict(promote=False, reason=reason)
    targets = [client.get_model_version(version.name, n).tags.get(TARGET) for n in (number, version.version)]
    return compare(scores, champion, same_target=targets[0] == targets[1])


def _find(client: MlflowClient, uri: str, name: str, alias: str | None, number: str | None) -> ModelVersion:
    known = {model.name: model.aliases for model in client.search_registered_models(max_results=1000)}
    if name not in known:
        listed = f"registered are {', '.join(known)}" if known else "none is registered yet, run `dvc repro`"
        raise RegistryError(f"{uri}: no model {name}; {listed}")
    if alias and alias not in known[name]:
        raise RegistryError(f"{uri}: {name} has no alias {alias}; it has {', '.join(known[name]) or 'none'}")
    versions = {int(v.version): v for v in client.search_model_versions(f"name = '{name}'")}
    wanted = int(known[name][alias] if alias else number or 0)
    if wanted not in versions:
        raise RegistryError(f"{uri}: no version {wanted}; there is {', '.join(map(str, sorted(versions)))}")
    return versions[wanted]


def _aliases(client: MlflowClient, version: ModelVersion) -> list[str]:
    aliases = client.get_registered_model(version.name).aliases
    return sorted(alias for alias, number in aliases.items() if int(number) == int(version.version))
