"""Small photos to send around, and a server to send them."""

import base64
import gzip
import hashlib
import io
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def jpegs() -> dict[str, bytes]:
    """Five small JPEGs by name, each different, about 100 kB together."""
    return {f"photo-{number}.jpg": _jpeg(number) for number in range(5)}


def _jpeg(seed: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (96, 128, 3), np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


class FileServer(ThreadingHTTPServer):
    """A server as the web has them, faults on request: serves `files` (path → bytes), keeps `requests`."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.requests: list[dict[str, str]] = []
        self.cut_after: int | None = None  # bytes of each body, then the connection closes
        self.chunk_pause_s = 0.0
        self.password = ""
        self.failures = 0  # answers 503 so many times
        self.with_etag = True
        self.compressed = False  # every body by gzip, whatever the client accepts

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[FileServer]:
    """Run a file server in a thread."""
    with FileServer() as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        self.server.requests.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
        data = self.server.files.get(self.path.partition("?")[0])
        wanted = "Basic " + base64.b64encode(self.server.password.encode()).decode()
        if self.server.failures:
            self.server.failures -= 1
            self.answer(503)
        elif self.server.password and self.headers.get("Authorization") != wanted:
            self.answer(401)
        elif data is None:
            self.answer(404)
        else:
            self.send(data, '"' + hashlib.sha256(data).hexdigest()[:8] + '"')

    def send(self, data: bytes, etag: str) -> None:
        headers = {"ETag": etag} if self.server.with_etag else {}
        if self.server.compressed:
            data, headers = gzip.compress(data, mtime=0), headers | {"Content-Encoding": "gzip"}
        if self.headers.get("If-None-Match") == etag:
            return self.answer(304)
        wanted, start = self.headers.get("Range"), 0
        if wanted and self.headers.get("If-Range") == etag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                return self.answer(416, {"Content-Range": f"bytes */{len(data)}"})
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.answer(206 if start else 200, headers, data[start:])

    def answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        body = body[: self.server.cut_after]
        for start in range(0, len(body), 2**16):
            self.wfile.write(body[start : start + 2**16])
            time.sleep(self.server.chunk_pause_s)

    def log_message(self, *_: object) -> None:
        pass
