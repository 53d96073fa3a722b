"""Start Ray on this machine, or join the cluster that RAY_ADDRESS names."""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import ray_constants
from ray.exceptions import AuthenticationError

import pipeline
import wespe
from pipeline.errors import PipelineError, TrainingError

OBJECT_STORE_BYTES = 512 * 2**20
# Ray reads these when it starts; what a user has set stays.
RAY_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
}


@contextmanager
def session() -> Iterator[None]:
    """Hold a Ray session; one that is already running is used and left running."""
    if ray.is_initialized():
        yield
        return
    # Ray has read this one from the environment at its import: it would rebuild the environment of `uv run`.
    ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV = False
    with _environment({name: value for name, value in RAY_SETTINGS.items() if name not in os.environ}):
        if address := os.environ.get("RAY_ADDRESS"):
            _join(address)
        else:
            _start()
        quiet_data()
        try:
            yield
        finally:
            ray.shutdown()


def _join(address: str) -> None:
    try:
        ray.init(log_to_driver=False, runtime_env=carried_packages())
    except (ConnectionError, RuntimeError, AuthenticationError):
        raise PipelineError(
            f"cannot connect to the Ray cluster at RAY_ADDRESS={address};"
            " start it, set RAY_AUTH_TOKEN to its token, or unset RAY_ADDRESS"
        ) from None


def _start() -> None:
    """Start Ray here.

    Ray Data's tasks and the training workers both ask for CPUs: with fewer than four, or none beside the
    workers, the stream starves and the run hangs. They are logical: two real cores are enough.
    """
    # Workers inherit it: the code of a checkout comes before what may be installed.
    paths = filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")])
    with _environment({"PYTHONPATH": os.pathsep.join(paths)}):
        ray.init(
            address="local",
            num_cpus=max(4, os.cpu_count() or 1, wanted_workers() + 2),
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, and restore them at the end."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def carried_packages() -> dict[str, Any]:
    """Our packages, from a checkout or from where they are installed, for nodes that lack them.

    With `ray job submit` they are there already, and Ray refuses the same field twice.
    """
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ:
        return {}
    # The .gitignore that leaves out caches is not among the packages.
    return {"py_modules": [wespe, pipeline], "excludes": ["__pycache__"]}


def wanted_workers() -> int:
    """The number in WESPE_WORKERS, 0 if it is not set. Raises TrainingError."""
    value = os.environ.get("WESPE_WORKERS") or "0"
    if not value.isdecimal():
        raise TrainingError(
            f"WESPE_WORKERS={value} is not a valid number of workers; set 1 or more, or unset it"
        )
    return int(value)


def root_cause(error: BaseException) -> str:
    """The message of our own error inside Ray's, which contains it as text; else the last line of Ray's."""
    ours = re.findall(rf"{PipelineError.__module__}\.\w+: (.+)", str(error))
    return ours[-1] if ours else str(error).strip().splitlines()[-1]


def quiet_data() -> None:
    """Our own progress lines replace Ray Data's bars and log."""
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
