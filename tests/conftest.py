"""Fixtures for every test: one real Ray session, real photos, the user's own data where it exists.

Tests that start an engine are marked `engine`, by the fixtures that they use; `pytest -m "not engine"`
runs the others.
"""

import os
import shutil
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores: waiting threads would cost minutes
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# A job in the background ignores Ctrl-C, and so would the processes that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS = Path(__file__).parent
# Fixtures that start Ray, an MLflow registry, a browser or a command; tests of pipelines and of ONNX.
ENGINES = {"ray_session", "migrated", "chromium", "wespe"}
PLACES = {TESTS / "flow", TESTS / "pipeline/models/test_onnx_model.py", TESTS / "stages/test_export.py"}
DEMO_PHOTOS = ("chelsea.png", "coffee.png", "rocket.jpg")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if ENGINES & set(getattr(item, "fixturenames", ())) or PLACES & {item.path, *item.path.parents}:
            item.add_marker("engine")


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """Hold one Ray session for all tests: starting one takes seconds."""
    from pipeline.cluster import session

    with session():
        yield


@pytest.fixture(scope="session")
def shared_data(repository: Path) -> Path:
    """Find photos and patches of real cameras, at WESPE_DATA or ../shared/data; skip where there are none."""
    folder = Path(os.environ.get("WESPE_DATA", repository / "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real photos at {folder}: set WESPE_DATA to a folder that holds them")
    return folder


@pytest.fixture
def demo_photos(tmp_path: Path) -> Path:
    """Copy a few photographs out of scikit-image into a fresh folder: a cat, a cup, a rocket."""
    [package] = find_spec("skimage").submodule_search_locations
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in DEMO_PHOTOS:
        shutil.copy(Path(package) / "data" / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """An S3 on this machine, by its address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host.replace('0.0.0.0', '127.0.0.1')}:{port}"
    server.stop()


@pytest.fixture
def endpoint(moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty S3, and credentials that it takes."""
    import requests

    requests.post(f"{moto}/moto-api/reset", timeout=10)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    return moto
