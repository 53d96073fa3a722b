"""A published model in a zoo on this machine's own web server, and a user who has no models."""

from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

from pipeline.enhancement.stores import open_store
from pipeline.models.model_files import save_model
from pipeline.zoo.packaging import package
from pipeline.zoo.publishing import publish
from wespe.methods import build_generator
from wespe.methods.lut_residual import LutResidualConfig

FACTS = {
    "name": "iphone-x",
    "summary": "an iPhone X, made to look like a Canon",
    "cameras": [{"make": "apple", "model": "iphone x"}],
    "licence": "CC-BY-4.0",
    "limits": ["photos at night"],
}
Publish = Callable[..., dict[str, bytes]]


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the user's models, which does not exist yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WESPE_MODELS", str(tmp_path / "own"))
    monkeypatch.delenv("WESPE_ZOO", raising=False)
    monkeypatch.setattr("pipeline.models.known_models.SHIPPED", tmp_path / "shipped")
    return tmp_path / "own"


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A model folder whose colours differ visibly from the photo's."""
    torch.manual_seed(0)
    method = LutResidualConfig()
    generator = build_generator(method)
    torch.nn.init.uniform_(generator.colour.luts, -0.2, 0.2)
    save_model(tmp_path / "trained", generator, method, {"camera": "phone", "target": "dslr", "step": 9})
    return tmp_path / "trained"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The zoo's folder, which `server` serves."""
    (tmp_path / "site").mkdir()
    return tmp_path / "site"


@pytest.fixture
def published(user: Path, trained: Path, site: Path) -> Publish:
    """Return `publish(**facts)`: publish the model with these entries of the card, and return its files."""

    def done(**facts: object) -> dict[str, bytes]:
        files = package(trained, FACTS | facts)
        publish(files, open_store(str(site)))
        return files

    return done


class Server(ThreadingHTTPServer):
    """Serves a folder, with faults on request."""

    daemon_threads = True
    cut: dict[str, int]  # path → bytes of its body after which the connection closes
    moved: dict[str, str]  # path → where it redirects to


class _Handler(SimpleHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path in self.server.moved:
            self.send_response(302)
            self.send_header("Location", self.server.moved[self.path])
            self.end_headers()
            return
        if self.path not in self.server.cut:
            return super().do_GET()
        data = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: self.server.cut[self.path]])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(site: Path) -> Iterator[Server]:
    with Server(("127.0.0.1", 0), partial(_Handler, directory=site)) as server:
        server.cut, server.moved = {}, {}
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}"
