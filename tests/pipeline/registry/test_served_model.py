"""The registered model works from a fresh process in another folder, with its own code, and from a server."""

import os
import socket
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image
from skimage import data

from pipeline.models.model_folder import load_model
from pipeline.registry.gates import Gates
from pipeline.registry.registry import register_camera
from pipeline.registry.served_model import ServedModel

ADDRESS = "models:/wespe-phone@champion"
FRESH = f"""
import sys, mlflow, numpy as np
model = mlflow.pyfunc.load_model("{ADDRESS}")
photo = np.load("photo.npy")
np.save("one.npy", model.predict(photo))
np.save("two.npy", model.predict(np.stack([photo, photo])))
import pipeline, wespe
assert all("mlartifacts" in package.__file__ for package in (pipeline, wespe)), "not the logged code"
heavy = [name for name in ("ray", "torchvision", "torchmetrics") if name in sys.modules]
assert not heavy, f"not among the model's requirements: {{heavy}}"
"""


@pytest.fixture
def photo() -> np.ndarray:
    return data.astronaut()[:48, :64]


@pytest.fixture
def elsewhere(evaluated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, np.ndarray]:
    """Register a model, and go to a folder from which only the tracking URI leads back."""
    evaluated()
    register_camera("phone", Gates())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def test_predict_from_a_fresh_process_gives_what_the_model_gives(elsewhere, photo):
    expected = load_model(Path("models/phone")).enhance(photo)
    np.save(elsewhere / "photo.npy", photo)
    subprocess.run([sys.executable, "-c", FRESH], cwd=elsewhere, check=True)
    assert np.array_equal(np.load(elsewhere / "one.npy"), expected)
    assert np.array_equal(np.load(elsewhere / "two.npy"), np.stack([expected, expected]))
    assert expected.shape == photo.shape


def test_files_come_as_base64_in_all_its_forms_and_anything_else_is_named(camera, photo):
    """Protects: clients that send data: URLs or URL-safe base64; a broken photo among several is named."""
    served = ServedModel()
    served.model = load_model(camera().model)
    png = BytesIO()
    Image.fromarray(photo).save(png, format="PNG")
    text = b64encode(png.getvalue()).decode()
    forms = [
        text,
        f"data:image/png;base64,{text}",
        text.replace("+", "-").replace("/", "_"),
        text[:60] + "\n" + text[60:],
    ]
    assert len(set(served.predict(None, np.array(forms)))) == 1
    for wrong in ("hello, world", "photos/a.jpg", None, 7):
        with pytest.raises(ValueError, match="photo 2: expected a file in base64"):
            served.predict(None, np.array([text, wrong], object))
    with pytest.raises(ValueError, match="photo 2: "):
        served.predict(None, np.array([text, b64encode(b"no photo").decode()]))


@pytest.fixture
def server(elsewhere: Path) -> Iterator[str]:
    """Run `mlflow models serve` until the test is over."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = ["mlflow", "models", "serve", "--env-manager", "local", "-m", ADDRESS, "-p", port]
    with open(elsewhere / "server.log", "w") as log:
        process = subprocess.Popen(command, cwd=elsewhere, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def test_a_png_sent_to_the_server_comes_back_enhanced(server, photo):
    png = BytesIO()
    Image.fromarray(photo).save(png, format="PNG")
    body = {"inputs": [b64encode(png.getvalue()).decode()]}
    answer = requests.post(f"{server}/invocations", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    enhanced = np.asarray(Image.open(BytesIO(b64decode(answer.json()["predictions"][0]))))
    assert np.array_equal(enhanced, load_model(Path("models/phone")).enhance(photo))

    refused = requests.post(f"{server}/invocations", json={"inputs": [[0.5, 0.5]]}, timeout=60)
    assert refused.status_code == 400
    assert "expected a photo (h, w, 3)" in refused.text


def _wait(url: str, process: subprocess.Popen) -> None:
    for _ in range(240):
        try:
            return requests.get(f"{url}/ping", timeout=2).raise_for_status()
        except requests.ConnectionError:
            assert process.poll() is None, "mlflow models serve ended"
            time.sleep(0.5)
    raise AssertionError("mlflow models serve does not answer")
