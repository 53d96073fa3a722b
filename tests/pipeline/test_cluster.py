"""What the environment may ask of the cluster, and how it is told that it cannot be."""

import pytest

from pipeline.cluster import carried_packages, root_cause, wanted_workers
from pipeline.errors import TrainingError


@pytest.mark.parametrize("value", ["two", "-1", "1.5"])
def test_a_number_of_workers_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("WESPE_WORKERS", value)
    with pytest.raises(TrainingError, match=f"WESPE_WORKERS={value} is no number of workers"):
        wanted_workers()


def test_our_message_is_found_in_the_text_that_ray_carries() -> None:
    text = "Traceback …\npipeline.errors.PhotoError: a.jpg: broken; replace it\nFailed to apply UDF"
    assert root_cause(RuntimeError(text)) == "a.jpg: broken; replace it"
    assert root_cause(RuntimeError("first\nlast\n")) == "last"


def test_a_submitted_job_has_brought_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects: Ray refuses a job whose packaging and whose driver both name py_modules."""
    assert {package.__name__ for package in carried_packages()["py_modules"]} == {"wespe", "pipeline"}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert carried_packages() == {}
