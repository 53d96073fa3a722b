"""Start Ray on this machine, or join the cluster that RAY_ADDRESS names."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Read by Ray at import: set before the first `import ray` of a stage.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
# A checkout is always newer than what a worker may have installed.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))

import ray
from ray.exceptions import AuthenticationError

import pipeline
import wespe
from pipeline.errors import PipelineError, TrainingError

OBJECT_STORE_BYTES = 512 * 2**20


@contextmanager
def session() -> Iterator[None]:
    """Hold a Ray session; one that is already running is used and left running."""
    if ray.is_initialized():
        yield
        return
    if address := os.environ.get("RAY_ADDRESS"):
        try:
            ray.init(log_to_driver=False, runtime_env=carried_packages())
        except (ConnectionError, RuntimeError, AuthenticationError):
            raise PipelineError(
                f"no Ray cluster lets us in at RAY_ADDRESS={address};"
                " start it, set RAY_AUTH_TOKEN to its token, or unset RAY_ADDRESS"
            ) from None
    else:
        # Ray Data's tasks and the training workers both ask for CPUs: with fewer than four, or none beside
        # the workers, the stream starves and the run hangs. They are logical; two real cores serve them.
        ray.init(
            address="local",
            num_cpus=max(4, os.cpu_count() or 1, wanted_workers() + 2),
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    quiet_data()
    try:
        yield
    finally:
        ray.shutdown()


def carried_packages() -> dict[str, Any]:
    """Our packages, from a checkout or from where they are installed, for nodes that lack them.

    `ray job submit` has brought them already, and Ray refuses the same field twice.
    """
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ:
        return {}
    # They lie below the .gitignore that would leave caches out.
    return {"py_modules": [wespe, pipeline], "excludes": ["__pycache__"]}


def wanted_workers() -> int:
    """WESPE_WORKERS, 0 if it is not set. Raises TrainingError."""
    value = os.environ.get("WESPE_WORKERS") or "0"
    if not value.isdecimal():
        raise TrainingError(f"WESPE_WORKERS={value} is no number of workers; set 1 or more, or unset it")
    return int(value)


def root_cause(error: BaseException) -> str:
    """The message of our own error inside Ray's, which carries it as text, else its last line."""
    ours = re.findall(rf"{PipelineError.__module__}\.\w+: (.+)", str(error))
    return ours[-1] if ours else str(error).strip().splitlines()[-1]


def quiet_data() -> None:
    """Our own progress lines replace Ray Data's bars and log."""
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
