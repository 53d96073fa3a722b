"""What the environment may ask of the cluster, and what Ray's workers inherit of it."""

import os

import pytest

from pipeline import cluster
from pipeline.cluster import carried_packages, root_cause, wanted_workers
from pipeline.errors import PipelineError, TrainingError


@pytest.mark.parametrize("value", ["two", "-1", "1.5"])
def test_an_invalid_number_of_workers_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("WESPE_WORKERS", value)
    with pytest.raises(TrainingError, match=f"WESPE_WORKERS={value} is not a valid number of workers"):
        wanted_workers()


def test_our_message_is_found_in_the_text_of_rays_error() -> None:
    text = "Traceback …\npipeline.errors.PhotoError: a.jpg: broken; replace it\nFailed to apply UDF"
    assert root_cause(RuntimeError(text)) == "a.jpg: broken; replace it"
    assert root_cause(RuntimeError("first\nlast\n")) == "last"


def test_a_submitted_job_does_not_package_the_code_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects: Ray refuses a job whose packaging and whose driver both name py_modules."""
    assert {package.__name__ for package in carried_packages()["py_modules"]} == {"wespe", "pipeline"}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert carried_packages() == {}


def test_a_session_restores_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Ray's processes inherit is set while Ray starts; what the user has set stays."""
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(cluster.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(cluster.ray, "init", lambda **_: seen.append(dict(os.environ)))
    monkeypatch.setattr(cluster.ray, "shutdown", lambda: None)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    before = dict(os.environ)
    with cluster.session():
        pass
    assert dict(os.environ) == before
    [inherited] = seen
    assert inherited["PYTHONPATH"].split(os.pathsep)[0] == os.getcwd()
    assert inherited["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] == "0.5"
    assert inherited["RAY_USAGE_STATS_ENABLED"] == "1"


def test_a_long_tmpdir_is_replaced_since_sockets_need_short_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects: long TMPDIRs of schedulers and macOS; Ray's own error only names a socket."""
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    assert cluster._short_folder() is None
    monkeypatch.setenv("RAY_TMPDIR", "/scratch/" + "x" * 86)
    assert cluster._short_folder() == f"/tmp/ray-{os.getuid()}"
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(PipelineError, match=r"too long for Ray.*set RAY_TMPDIR"):
        cluster._short_folder()
