"""Weights that training needs: verified, whole, fetched once, and named when they cannot be had."""

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from safetensors.torch import load_file, save, save_file
from torchvision import models
from torchvision.models import SqueezeNet1_1_Weights

from pipeline.code import code_digest
from pipeline.errors import SourceError
from pipeline.layout import photo_set
from pipeline.training.content_weights import FEATURES, METHOD, fetch_features, write_method
from wespe.networks.features import ContentConfig, Features, read_weights

CAMERA = photo_set("cameras.phone").root
WRONG = "0" * 64
squeezenet = partial(ContentConfig, backbone="squeezenet1_1", layers={"features_3": 1.0})


@pytest.fixture(scope="module")
def stored() -> dict[str, torch.Tensor]:
    """All of SqueezeNet, its classifier included."""
    torch.manual_seed(5)
    return models.squeezenet1_1(weights=None).state_dict()


class Site(ThreadingHTTPServer):
    """Serves a folder, and keeps the paths that were asked for."""

    def __init__(self, folder: Path):
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self.folder = folder
        self.asked: list[str] = []

    def put(self, name: str, data: bytes) -> str:
        (self.folder / name).write_bytes(data)
        return f"http://127.0.0.1:{self.server_port}/{name}"


class _Handler(SimpleHTTPRequestHandler):
    server: Site

    def log_message(self, *_: object) -> None:
        self.server.asked.append(self.path)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Run a file server, work in a fresh folder, and keep torchvision's downloads there too."""
    for name in ("site", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    with Site(tmp_path / "site") as site:
        Thread(target=site.serve_forever, args=(0.02,), daemon=True).start()
        yield site
        site.shutdown()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fetch(content: ContentConfig | None) -> str:
    return str(fetch_features("cameras.phone", content, CAMERA))


def torchvision_has(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Let torchvision's own loading code look there."""
    monkeypatch.setattr(SqueezeNet1_1_Weights.IMAGENET1K_V1.value, "url", url)


def pth(state: dict[str, torch.Tensor]) -> tuple[str, bytes]:
    """A file as torchvision's server has them: its name ends in its hash."""
    file = io.BytesIO()
    torch.save(state, file)
    return f"squeezenet1_1-{digest(file.getvalue())[:8]}.pth", file.getvalue()


def is_what_training_needs(stored: dict[str, torch.Tensor], content: ContentConfig) -> bool:
    written = load_file(CAMERA / FEATURES)
    expected = {name: value for name, value in stored.items() if name in written}
    Features(content, read_weights(CAMERA / FEATURES, content))  # strict: a tensor too many or few fails
    return all(torch.equal(value, expected[name]) for name, value in written.items())


def test_only_the_needed_layers_of_torchvisions_weights_are_stored(site, stored, monkeypatch):
    """Protects: torchvision's real loading code, without its server."""
    torchvision_has(monkeypatch, site.put(*pth(stored)))
    line = fetch(squeezenet())
    size_mb = (CAMERA / FEATURES).stat().st_size / 1e6
    assert line == f"squeezenet1_1 features_3, weights imagenet, {size_mb:.1f} MB"
    assert is_what_training_needs(stored, squeezenet())
    fetch(squeezenet(layers={"features_0": 2.0}))
    assert len(site.asked) == 1  # other cameras read torchvision's cache


def test_without_network_the_error_names_alternatives(site, monkeypatch):
    torchvision_has(monkeypatch, "http://127.0.0.1:1/squeezenet1_1-00000000.pth")
    with pytest.raises(SourceError) as caught:
        fetch(squeezenet())
    message = str(caught.value)
    assert message.startswith(
        "cameras.phone: http://127.0.0.1:1/squeezenet1_1-00000000.pth cannot be reached"
    )
    assert "a URL with its sha256, or random" in message
    assert "\n" not in message
    assert not CAMERA.exists()


def test_torchvisions_weights_are_checked_and_unpickle_nothing_else(site, stored, monkeypatch):
    """Protects: damaged files, and files that would run code."""
    _, data = pth(stored)
    torchvision_has(monkeypatch, site.put("squeezenet1_1-00000000.pth", data))
    with pytest.raises(SourceError, match=r"00000000\.pth or its copy .* is damaged; delete the copy"):
        fetch(squeezenet())
    torchvision_has(monkeypatch, site.put(*pth({"features.0.weight": Path("code")})))
    with pytest.raises(SourceError, match="is damaged"):
        fetch(squeezenet())
    assert not CAMERA.exists()


def test_a_url_is_fetched_once_for_all_cameras_even_offline(site, stored):
    data = save(stored)
    url = site.put("w.safetensors", data)
    content = squeezenet(weights=f"{url}?token=s3cret", sha256=digest(data))
    line = fetch(content)
    assert f"weights {url}, " in line
    assert "s3cret" not in line
    assert is_what_training_needs(stored, content)
    site.shutdown()
    fetch_features("cameras.tablet", content, photo_set("cameras.tablet").root)
    assert len(site.asked) == 1
    assert photo_set("cameras.tablet").features.read_bytes() == (CAMERA / FEATURES).read_bytes()
    assert [path.parts[3] for path in Path("data/.downloads/features").rglob("*.safetensors")] == [
        digest(data)
    ]


def test_a_kept_download_that_was_damaged_is_fetched_again(site, stored):
    data = save(stored)
    content = squeezenet(weights=site.put("w.safetensors", data), sha256=digest(data))
    fetch(content)
    [kept] = Path("data/.downloads").rglob("*.safetensors")
    kept.with_name(kept.name + ".validator").unlink()
    kept.write_bytes(data[:-1])
    fetch(content)
    assert kept.read_bytes() == data


def test_a_wrong_checksum_leaves_what_was_there(site, stored, tmp_path):
    """Protects: a camera's valid weights, if the file at the URL changes."""
    data = save(stored)
    url, path = site.put("w.safetensors", data), tmp_path / "site/w.safetensors"
    fetch(squeezenet(weights=url, sha256=digest(data)))
    before = (CAMERA / FEATURES).read_bytes()
    for weights, shown in ((f"{url}?token=s3cret", url), (str(path), str(path))):
        with pytest.raises(SourceError) as caught:
            fetch(squeezenet(weights=weights, sha256=WRONG))
        message = str(caught.value)
        assert message.startswith(f"cameras.phone: {shown} has sha256 {digest(data)}, not {WRONG}; correct")
        assert "s3cret" not in message
    assert (CAMERA / FEATURES).read_bytes() == before
    assert [one.name for one in CAMERA.iterdir()] == [FEATURES]


def test_a_path_is_read_with_and_without_its_checksum(site, stored, tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({name: value.half() for name, value in stored.items()}, path)
    halved = {name: value.half().float() for name, value in stored.items()}
    for sha256 in ("", digest(path.read_bytes())):
        content = squeezenet(weights=str(path), sha256=sha256)
        assert fetch(content).startswith(f"squeezenet1_1 features_3, weights {path}, ")
        assert is_what_training_needs(halved, content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"missing\.safetensors cannot be read as safetensors: no such file; correct method\.content"),
        (b"rubbish", r"missing\.safetensors cannot be read as safetensors: .*; correct method\.content"),
        (save({"a": torch.zeros(1)}), r"missing\.safetensors lacks features\.0\.weight, .*; correct"),
    ],
)
def test_an_unsuitable_file_is_named_with_its_camera(site, content, message):
    if content:
        Path("missing.safetensors").write_bytes(content)
    for sha256 in ("", digest(content or b"")):
        with pytest.raises(SourceError, match=r"^cameras\.phone: " + message):
            fetch(squeezenet(weights="missing.safetensors", sha256=sha256))
    assert not CAMERA.exists()


@pytest.mark.parametrize("content", [None, squeezenet(weights="random")])
def test_a_method_without_weights_still_gets_a_file(site, content):
    """Protects: DVC requires an output of every stage."""
    assert fetch(content).endswith("no weights are needed")
    assert load_file(CAMERA / FEATURES) == {}
    assert not site.asked


def test_the_method_file_has_the_digest_of_the_methods_code(site):
    """Protects: a camera is retrained if its method's code changes."""
    write_method("wespe", CAMERA)
    content = {"method": "wespe", "sha256": code_digest("wespe.methods.wespe")}
    assert json.loads((CAMERA / METHOD).read_bytes()) == content


def test_the_command_writes_both_files_and_describes_them(site, repository):
    """Protects: params.yaml leads to the files in dvc.yaml."""
    Path("params.yaml").write_bytes((repository / "params.yaml").read_bytes())
    command = [sys.executable, "-m", "stages.features", "demo-phone"]
    environment = os.environ | {"PYTHONPATH": str(repository)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("features demo-phone: vgg19 relu1_1, random")
    paths = photo_set("cameras.demo-phone")
    assert sorted(paths.root.iterdir()) == sorted([paths.features, paths.method])


def test_missing_arguments_print_usage(repository):
    """Protects: a command without arguments explains what it needs."""
    command = [sys.executable, "-m", "stages.features", "--help"]
    shown = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
    assert "TORCH_HOME" in shown.stdout
