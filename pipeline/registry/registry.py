"""The MLflow registry: one run per trained camera, one registered model `wespe-<camera>`.

MLFLOW_TRACKING_URI names the server; without it, a SQLite file and a folder in this checkout are used. Every
new version gets the alias `challenger`, and `champion` if it passes every gate (see verdict.py). A tag of the
registered model lists all champions, from the oldest to the current one.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from pipeline.errors import PipelineError, RegistryError
from pipeline.evaluation.scores import Score, read_scores, summarise
from pipeline.files import write_atomically
from pipeline.layout import CONFIG, MLFLOW_DATABASE, SCORES, WEIGHTS, CameraPaths
from pipeline.models.data_sets import commercial_use
from pipeline.models.model_folder import Model, load_model
from pipeline.registry.database import ensure_database, writing
from pipeline.registry.gates import RULES
from pipeline.registry.settings import Gates
from pipeline.registry.tracking import log_metrics, log_run, log_scores
from pipeline.registry.verdict import Rival, Verdict, decide

CHAMPION, CHALLENGER = "champion", "challenger"
SHA256, VERDICT = "sha256", "verdict"  # tags of a version
JUDGED = "judged"  # tag of a version: the digest of the scores and gates that the verdict is based on
ROLLED_BACK = "rolled_back"  # tag of a version that must not become champion again automatically
COMMERCIAL_USE = "commercial_use"  # tag of a version: whether its data sets' licences allow it
CAMERA, METHOD = "camera", "method"  # tags of a version, to search by, as are data.source and data.target
TARGET = "target"  # tag of a version: the target's name and the digest of its patches
ROLLING_BACK = "rolling back"  # tag of the registered model during a roll-back: "3 2" (from, to)
CHAMPIONS = "champions"  # tag of the registered model: "1 4 5"
PING_TIMEOUT_S = 5
HTTP_STATUS = re.compile(r"error code (\d{3})\b")  # in the text of an MlflowException
HTTP_REMEDIES = {
    401: "requires a user and password; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    403: "permission denied; check MLFLOW_TRACKING_USERNAME and the server's permissions",
    413: "the server, or a proxy in front of it, rejects files of this size; raise its limit "
    "(nginx: client_max_body_size), then run the same command again",
}
EXAMPLE = f"models:/NAME@{CHAMPION}"
MODEL_URI = re.compile(r"models:/(?P<name>[^/@]+)(@(?P<alias>[^/@]+)|/(?P<version>\d+))")


@dataclass(frozen=True, kw_only=True)
class Registration:
    """The registered version of a camera's model; `new` is False if these weights had a version already."""

    name: str
    version: int
    aliases: list[str]
    sha256: str
    run_id: str
    reason: str
    new: bool


@dataclass(frozen=True, kw_only=True)
class RollBack:
    """The version that is champion again, and the version that it replaced; None if that was deleted."""

    name: str
    champion: int
    replaced: int | None


def register_camera(camera: str, gates: Gates) -> Registration:
    """Log a trained camera's run and register its model, once per weights. Raises RegistryError.

    If the weights are registered already and scores or gates have changed, only the verdict is updated.
    """
    paths, name = CameraPaths(camera=camera), _name(camera)
    model, scores = load_model(paths.model), read_scores(paths.scores)
    with _mlflow(writes=True) as client:
        version = _version_of(client, name, model.sha256)
        new = version is None
        if version is None:
            version = _register(client, name, paths, model, scores)
        # A version without a verdict is one whose registration was interrupted.
        if VERDICT not in version.tags or version.tags.get(JUDGED) != _digest(scores, gates):
            if not new:
                _renew(client, version, paths, scores)
            _decide(client, version, scores, gates)
        registration = _registration(client, name, version.version, new)
    _write(paths, registration)
    return registration


def explain_camera(camera: str, gates: Gates) -> Verdict:
    """Return the verdict that registering a camera's model would give. Raises RegistryError."""
    paths, name = CameraPaths(camera=camera), _name(camera)
    model, scores = load_model(paths.model), read_scores(paths.scores)
    if not os.environ.get("MLFLOW_TRACKING_URI") and not MLFLOW_DATABASE.exists():
        return decide(scores, gates)  # opening MLflow would create the database
    with _mlflow() as client:
        version = _version_of(client, name, model.sha256)
        return _verdict(client, name, version, _target(model), scores, gates)


def roll_back(camera: str) -> RollBack:
    """Make the previous champion champion again. Raises RegistryError.

    After an interruption, calling it again completes the same roll-back.
    """
    paths, name = CameraPaths(camera=camera), _name(camera)
    with _mlflow(writes=True) as client:
        replaced, champion = _plan_roll_back(client, name)
        if _champion(_model(client, name)) != champion:
            _set_champions(client, name, _champions_before(client, name))
        if replaced:
            client.set_model_version_tag(name, str(replaced), ROLLED_BACK, f"to version {champion}")
            reason = f"rolled back: version {champion} is champion again"
            client.set_model_version_tag(name, str(replaced), VERDICT, reason)
        number = json.loads(paths.registered.read_bytes())["version"] if paths.registered.exists() else None
        if number in (replaced, champion) and number:
            _write(paths, _registration(client, name, number, new=False))
        client.delete_registered_model_tag(name, ROLLING_BACK)
    return RollBack(name=name, champion=champion, replaced=replaced)


def _plan_roll_back(client: MlflowClient, name: str) -> tuple[int | None, int]:
    """Return the champion to replace and the one to restore, also for an interrupted roll-back."""
    model = _model(client, name)
    if model and ROLLING_BACK in model.tags:
        replaced, champion = map(int, model.tags[ROLLING_BACK].split())
        return replaced or None, champion
    before = _champions_before(client, name)
    if not before:
        raise RegistryError(
            f"{name} has no champion to roll back to: no earlier champion still exists; list the versions "
            "with `mlflow ui`"
        )
    current, previous = _champion(model), before[-1]
    client.set_registered_model_tag(name, ROLLING_BACK, f"{current or 0} {previous}")
    return current, previous


def log_study(camera: str, metrics: dict[str, float]) -> None:
    """Write a user study's metrics to the run of the camera's latest version. Raises RegistryError."""
    name = _name(camera)
    with _mlflow() as client:
        versions = client.search_model_versions(f"name = '{name}'")
        if not versions:
            raise RegistryError(f"no model {name} to log the study to; register it with `dvc repro`")
        latest = max(versions, key=lambda version: int(version.version))
        log_metrics(client, latest.run_id or "", [(key, value, 0) for key, value in metrics.items()])


def log_report(run_id: str, page: Path) -> None:
    """Add a report's page to a run. Raises RegistryError."""
    with _mlflow(writes=True) as client:
        client.log_artifact(run_id, str(page))


def fetch_model(uri: str) -> Path:
    """Return the local folder of `models:/name@alias`, `models:/name/3` or a path. Raises RegistryError."""
    if not uri.startswith("models:"):
        if not all((Path(uri) / file).is_file() for file in (WEIGHTS, CONFIG)):
            raise RegistryError(
                f"{uri} is not a model folder ({WEIGHTS} or {CONFIG} is missing); name one, or {EXAMPLE}"
            )
        return Path(uri)
    match = MODEL_URI.fullmatch(uri)
    if match is None:
        raise RegistryError(f"{uri} is not a model URI; write {EXAMPLE} or models:/NAME/3")
    with _mlflow() as client:
        version = _find(client, uri, match["name"], match["alias"], match["version"])
        artifacts = f"models:/{version.name}/{version.version}/artifacts"
        return Path(mlflow.artifacts.download_artifacts(artifacts))


@contextmanager
def _mlflow(*, writes: bool = False) -> Iterator[MlflowClient]:
    """Connect to MLflow, and convert errors into one-line messages without passwords.

    writes: with a SQLite file, wait until no other process writes to it.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{MLFLOW_DATABASE.resolve()}"
    public = re.sub(r"(?<=//)[^/]*@", "", uri)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        if uri.startswith("http"):
            # MLflow itself would retry for minutes. Any response is sufficient here.
            requests.head(uri, timeout=PING_TIMEOUT_S)
        else:
            ensure_database(uri)
        mlflow.set_tracking_uri(uri)
        with writing(uri) if writes else nullcontext():
            yield MlflowClient(uri)
    except (
        requests.RequestException,
        MlflowException,
        SQLAlchemyError,
        ImportError,
        PermissionError,
    ) as error:
        raise RegistryError(f"MLflow at {public}: {_reason(error).replace(uri, public)}") from None


def _reason(error: Exception) -> str:
    """Explain an error and its remedy, by the HTTP status if there is one."""
    answer = getattr(error, "response", None)
    written = HTTP_STATUS.search(str(error))
    status = answer.status_code if answer is not None else int(written[1]) if written else 0
    if remedy := HTTP_REMEDIES.get(status):
        return f"{remedy} (HTTP {status})"
    if status >= 500:
        return f"server error (HTTP {status}); see the server's log, then try again"
    if isinstance(error, requests.RequestException) and not status:
        return (
            f"no answer ({type(error).__name__}); start the server, correct MLFLOW_TRACKING_URI, or unset it "
            f"to use {MLFLOW_DATABASE}"
        )
    return f"{str(error).splitlines()[0]}; check MLFLOW_TRACKING_URI and try again"


def _version_of(client: MlflowClient, name: str, sha256: str) -> ModelVersion | None:
    found = client.search_model_versions(f"name = '{name}' and tags.{SHA256} = '{sha256}'")
    return found[0] if found else None


def _register(
    client: MlflowClient, name: str, paths: CameraPaths, model: Model, scores: list[Score]
) -> ModelVersion:
    """Log the run, then create the model version, with sha256 and scores as tags."""
    logged = log_run(client, paths, model)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    tags = _means(scores) | {SHA256: model.sha256, TARGET: _target(model), CAMERA: paths.camera}
    tags |= {f"data.{kind}": digest for kind, digest in model.config.get("data", {}).items()}
    tags[METHOD] = str(model.config["method"]["name"])
    if allowed := commercial_use(model.config):
        tags[COMMERCIAL_USE] = allowed
    return client.create_model_version(name, logged.model_uri, logged.run_id, tags, model_id=logged.model_id)


def _renew(client: MlflowClient, version: ModelVersion, paths: CameraPaths, scores: list[Score]) -> None:
    """Delete the verdict, and replace the scores that it was based on."""
    if VERDICT in version.tags:
        client.delete_model_version_tag(version.name, version.version, VERDICT)
    log_scores(client, version.run_id or "", paths)
    for key, value in _means(scores).items():
        client.set_model_version_tag(version.name, version.version, key, value)


def _decide(client: MlflowClient, version: ModelVersion, scores: list[Score], gates: Gates) -> None:
    """Set tags and aliases; the verdict's tag is set last and marks the registration as complete."""
    name, number = version.name, version.version
    verdict = _verdict(client, name, version, version.tags.get(TARGET, ""), scores, gates)
    for gate in verdict.gates:
        result = f"{gate.outcome}: {gate.measured} (threshold: {gate.threshold})"
        client.set_model_version_tag(name, number, f"gate.{gate.name.replace(' ', '_')}", result)
    client.set_registered_model_alias(name, CHALLENGER, number)
    if verdict.promote:
        _promote(client, name, int(number))
    client.set_model_version_tag(name, number, JUDGED, _digest(scores, gates))
    client.set_model_version_tag(name, number, VERDICT, verdict.reason)


def _verdict(
    client: MlflowClient,
    name: str,
    version: ModelVersion | None,
    target: str,
    scores: list[Score],
    gates: Gates,
) -> Verdict:
    """Compare with the champion; the champion itself is compared with its predecessor and stays champion."""
    champion = _champion(_model(client, name))
    is_champion = version is not None and int(version.version) == champion
    before = _champions_before(client, name) if is_champion else []
    rivals = before[-1:] if is_champion else [champion] if champion else []
    verdict = decide(scores, gates, _rival(client, name, rivals[0], target) if rivals else None)
    if is_champion and not verdict.promote:
        reason = f"is champion, but would fail the gates now ({verdict.reason}); --roll-back replaces it"
        return replace(verdict, promote=True, reason=reason)
    if version and not is_champion and ROLLED_BACK in version.tags:
        reason = f"was rolled back {version.tags[ROLLED_BACK]}; delete its tag {ROLLED_BACK} to retry"
        return replace(verdict, promote=False, reason=reason)
    return verdict


def _rival(client: MlflowClient, name: str, number: int, target: str) -> Rival:
    version = client.get_model_version(name, str(number))
    try:
        with TemporaryDirectory() as folder:
            scores = read_scores(Path(client.download_artifacts(version.run_id or "", SCORES, folder)))
    except (MlflowException, PipelineError, OSError):
        return Rival(version=number, scores=None)
    return Rival(version=number, scores=scores, same_target=version.tags.get(TARGET) == target)


def _promote(client: MlflowClient, name: str, number: int) -> None:
    champion = _champion(_model(client, name))
    if number != champion:
        current = [champion] if champion else []
        _set_champions(client, name, [*_champions_before(client, name), *current, number])


def _set_champions(client: MlflowClient, name: str, champions: list[int]) -> None:
    """Make the last one champion. If killed between the two calls, the history is still valid."""
    client.set_registered_model_tag(name, CHAMPIONS, " ".join(map(str, champions)))
    client.set_registered_model_alias(name, CHAMPION, str(champions[-1]))


def _champions_before(client: MlflowClient, name: str) -> list[int]:
    """Return the previous champions that still exist, oldest first."""
    model = _model(client, name)
    if model is None:
        return []
    history, champion = [int(n) for n in model.tags.get(CHAMPIONS, "").split()], _champion(model)
    if champion in history:
        history = history[: -1 - history[::-1].index(champion)]
    existing = {int(version.version) for version in client.search_model_versions(f"name = '{name}'")}
    return [number for number in history if number in existing]


def _champion(model: RegisteredModel | None) -> int | None:
    return int(model.aliases[CHAMPION]) if model and CHAMPION in model.aliases else None


def _model(client: MlflowClient, name: str) -> RegisteredModel | None:
    return next(iter(client.search_registered_models(f"name = '{name}'")), None)


def _registration(client: MlflowClient, name: str, number: int | str, new: bool) -> Registration:
    version = client.get_model_version(name, str(number))
    return Registration(
        name=name,
        version=int(version.version),
        aliases=_aliases(client, version),
        sha256=version.tags[SHA256],
        run_id=version.run_id or "",
        reason=version.tags.get(VERDICT, "registration is incomplete, register it again"),
        new=new,
    )


def _write(paths: CameraPaths, registration: Registration) -> None:
    write_atomically(paths.registered, json.dumps(asdict(registration), indent=1).encode() + b"\n")


def _name(camera: str) -> str:
    return f"wespe-{camera}"


def _means(scores: list[Score]) -> dict[str, str]:
    return {
        f"{variant}.{metric}": f"{interval['mean']:.4f}"
        for variant, metrics in summarise(scores).items()
        for metric, interval in metrics.items()
    }


def _target(model: Model) -> str:
    return f"{model.config.get('target')} {model.config.get('data', {}).get('target')}"


def _digest(scores: list[Score], gates: Gates) -> str:
    rows = sorted((s.photo_id, s.variant, s.metric, repr(s.value)) for s in scores)
    return hashlib.sha256(json.dumps([RULES, asdict(gates), rows]).encode()).hexdigest()


def _find(client: MlflowClient, uri: str, name: str, alias: str | None, number: str | None) -> ModelVersion:
    known = {model.name: model.aliases for model in client.search_registered_models(max_results=1000)}
    if name not in known:
        listed = f"registered: {', '.join(known)}" if known else "no model is registered yet; run `dvc repro`"
        raise RegistryError(f"{uri}: no model {name}; {listed}")
    if alias and alias not in known[name]:
        has = f"{uri}: {name} has no alias {alias}; it has {', '.join(known[name]) or 'none'}"
        raise RegistryError(has + (f"; {_no_champion(name)}" if alias == CHAMPION else ""))
    versions = {int(v.version): v for v in client.search_model_versions(f"name = '{name}'")}
    wanted = int(known[name][alias] if alias else number or 0)
    if wanted not in versions:
        raise RegistryError(
            f"{uri}: no version {wanted}; there are versions {', '.join(map(str, sorted(versions)))}"
        )
    return versions[wanted]


def _no_champion(name: str) -> str:
    explain = f"python -m stages.register {name.removeprefix('wespe-')} --explain"
    return f"no version has passed the gates: see `{explain}`, or use models:/{name}@{CHALLENGER}"


def _aliases(client: MlflowClient, version: ModelVersion) -> list[str]:
    aliases = client.get_registered_model(version.name).aliases
    return sorted(alias for alias, number in aliases.items() if int(number) == int(version.version))
