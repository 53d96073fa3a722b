"""What the environment may ask of the cluster, and how it is told that it cannot be."""

import pytest

from pipeline.cluster import root_cause, session, wanted_workers
from pipeline.errors import PipelineError, TrainingError


@pytest.mark.parametrize("value", ["two", "-1", "1.5"])
def test_a_number_of_workers_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("WESPE_WORKERS", value)
    with pytest.raises(TrainingError, match=f"WESPE_WORKERS={value} is no number of workers"):
        wanted_workers()


def test_our_message_is_found_in_the_text_that_ray_carries() -> None:
    text = "Traceback …\npipeline.errors.PhotoError: a.jpg: broken; replace it\nFailed to apply UDF"
    assert root_cause(RuntimeError(text)) == "a.jpg: broken; replace it"
    assert root_cause(RuntimeError("first\nlast\n")) == "last"


def test_a_cluster_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    if ray.is_initialized():
        pytest.skip("another test's session is open in this process")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with (
        pytest.raises(PipelineError, match=r"no Ray cluster answers at RAY_ADDRESS=127\.0\.0\.1:1"),
        session(),
    ):
        pass
