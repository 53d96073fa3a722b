"""Start Ray on this machine, or join the cluster that RAY_ADDRESS names."""

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from tempfile import gettempdir
from typing import Any

import ray
from ray._private import ray_constants
from ray.exceptions import AuthenticationError

import pipeline
import wespe
from pipeline import store
from pipeline.errors import PipelineError, TrainingError

# Ray appends /ray/session_DATE_TIME_MICROSECONDS_PID/sockets/plasma_store, of at most 107 bytes in total.
LONGEST_FOLDER_BYTES = 36
LOCAL_RAY = "WESPE_LOCAL_RAY"  # set by the fleet for its processes: RAY_ADDRESS is on this machine
OBJECT_STORE_BYTES = 512 * 2**20
# Ray reads these when it starts; the user's own values take precedence.
RAY_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
}


@contextmanager
def session(cpus: int = 0) -> Iterator[None]:
    """Open a Ray session; a session that is already open is used and left open.

    cpus: how many logical CPUs a Ray on this machine must have at least.
    """
    if ray.is_initialized():
        yield
        return
    # Keep Ray from rebuilding the environment of `uv run`. Ray read the environment variable at its import.
    ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV = False
    with _environment({name: value for name, value in RAY_SETTINGS.items() if name not in os.environ}):
        if address := os.environ.get("RAY_ADDRESS"):
            _join(address)
        else:
            _start(cpus)
        quiet_data()
        try:
            yield
        finally:
            ray.shutdown()


def _join(address: str) -> None:
    try:
        ray.init(log_to_driver=False, runtime_env=carried_packages() | _carried_settings())
    except (ConnectionError, RuntimeError, AuthenticationError):
        raise PipelineError(
            f"cannot connect to the Ray cluster at RAY_ADDRESS={address};"
            " start it, set RAY_AUTH_TOKEN to its token, or unset RAY_ADDRESS"
        ) from None


def _start(cpus: int) -> None:
    """Start Ray here.

    Ray Data tasks and training workers both request CPUs. With fewer than four, or none left beside the
    workers, the data stream gets none and the run hangs. CPUs are logical: two real cores are enough.
    """
    # Workers inherit PYTHONPATH, so that the code in this folder takes precedence over an installed version.
    paths = filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")])
    with _environment({"PYTHONPATH": os.pathsep.join(paths)} | store.settings()):
        ray.init(
            address="local",
            num_cpus=max(4, os.cpu_count() or 1, wanted_workers() + 2, cpus),
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=_short_folder(),
        )


def _short_folder() -> str | None:
    """Return a folder in /tmp if Ray's socket paths would be too long in TMPDIR, else None."""
    folder = os.environ.get("RAY_TMPDIR") or gettempdir()
    if len(os.fsencode(folder)) <= LONGEST_FOLDER_BYTES:
        return None
    if not os.access("/tmp", os.W_OK | os.X_OK):
        raise PipelineError(
            f"TMPDIR={folder} is too long for Ray, whose sockets need paths of at most 107 bytes; "
            f"set RAY_TMPDIR to a path of at most {LONGEST_FOLDER_BYTES} letters"
        )
    return f"/tmp/ray-{os.getuid()}"


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
    """Return the runtime environment that copies our packages to the cluster's nodes.

    Empty under `ray job submit`, which has copied them already; Ray rejects the same field twice. Also for a
    Ray that the fleet has started on this machine, whose workers find this folder by PYTHONPATH.
    """
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ or os.environ.get(LOCAL_RAY):
        return {}
    # The packages have no .gitignore of their own that would exclude caches.
    return {"py_modules": [wespe, pipeline], "excludes": ["__pycache__"]}


def _carried_settings() -> dict[str, Any]:
    """Return the runtime environment that tells the nodes where the store is; no credentials.

    Empty for a Ray on this machine, which has the settings already. Without those that `ray job submit`
    carries, since Ray rejects the same twice.
    """
    job = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}"))
    carried = job.get("runtime_env", {}).get("env_vars", {})
    settings = {name: value for name, value in store.settings().items() if name not in carried}
    return {"env_vars": settings} if settings and not os.environ.get(LOCAL_RAY) else {}


def wanted_workers() -> int:
    """Return the number in WESPE_WORKERS, 0 if it is not set. Raises TrainingError."""
    value = os.environ.get("WESPE_WORKERS") or "0"
    if not value.isdecimal():
        raise TrainingError(
            f"WESPE_WORKERS={value} is not a valid number of workers; set 1 or more, or unset it"
        )
    return int(value)


def address() -> str:
    """Return the address of the session's Ray, for RAY_ADDRESS of other processes."""
    return ray.get_runtime_context().gcs_address


def cpus_here() -> int:
    """Return how many CPUs this process may use on this machine: WESPE_CPUS, or all. Raises PipelineError."""
    value = os.environ.get("WESPE_CPUS") or "0"
    if not value.isdecimal():
        raise PipelineError(f"WESPE_CPUS={value} is not a valid number of CPUs; set 1 or more, or unset it")
    return int(value) or os.cpu_count() or 1


def data_limits() -> ray.data.ExecutionResources:
    """Return what Ray Data may use at a time: WESPE_CPUS, so that others get their share, or no limit."""
    cpus = cpus_here() if os.environ.get("WESPE_CPUS") else None
    return ray.data.ExecutionResources.for_limits(cpu=cpus)


def root_cause(error: BaseException) -> str:
    """Extract our own error message from a Ray error's text; without one, return the text's last line."""
    ours = re.findall(rf"{PipelineError.__module__}\.\w+: (.+)", str(error))
    return ours[-1] if ours else str(error).strip().splitlines()[-1]


def quiet_data() -> None:
    """Disable Ray Data's progress bars and log; this project prints its own progress lines."""
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
