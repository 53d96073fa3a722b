"""A stand-in for Flickr's API and its photos, on this machine, with faults on request."""

import io
import json
import re
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest
from PIL import Image

SIZE = (64, 48)
LICENCES = [
    {"id": 0, "name": "All Rights Reserved", "url": ""},
    {"id": "2", "name": "CC BY-NC 2.0", "url": "https://creativecommons.org/licenses/by-nc/2.0/"},
    {"id": 4, "name": "CC BY 2.0", "url": "https://creativecommons.org/licenses/by/2.0/"},
    {"id": "9", "name": "CC0 1.0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"},
]


class StandIn(ThreadingHTTPServer):
    """Lists `photos`, the latest first, `page_size` at a time; serves `files` (path → bytes)."""

    daemon_threads = True
    key = "0123456789abcdef0123456789abcdef"
    newest = 1_500_000_000  # unix; long before any crawl begins

    def __init__(self, count: int):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.photos = [self.listed(number) for number in range(count)]
        self.files = {f"/{number}_h.jpg": self.jpeg(number) for number in range(count)}
        self.page_size = 4
        self.pause_s = 0.0  # before each photo
        self.statuses: list[int] = []  # of the next answers, in place of what was asked for
        self.answers: list[bytes] = []  # of the next calls
        self.retry_after = ""
        self.forms: list[dict[str, str]] = []
        self.asked: list[str] = []  # whole addresses of photos
        self.heads: list[str] = []  # request lines and headers

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that will not read on is what some tests are about."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def api(self) -> str:
        return f"{self.url}/services/rest/"

    def listed(self, number: int) -> dict[str, Any]:
        """As Flickr lists them: numbers now as text, now as numbers."""
        return {
            "id": str(1000 + number),
            "owner": "12345678@N00",
            "ownername": f"Anna {number}",
            "title": f"Street {number}",
            "license": "4",
            "dateupload": str(self.newest - number // 2),  # two in every second
            "views": str(100 + number),
            "count_faves": number,
            "url_h": f"{self.url}/{number}_h.jpg",
            "width_h": SIZE[0],
            "height_h": str(SIZE[1]),
        }

    def jpeg(self, seed: int, size: tuple[int, int] = SIZE) -> bytes:
        file = io.BytesIO()
        pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
        Image.fromarray(pixels).save(file, "JPEG", quality=90)
        return file.getvalue()

    def search(self, form: dict[str, str]) -> dict[str, Any]:
        until = int(form["max_upload_date"])
        found = [photo for photo in self.photos if int(photo["dateupload"]) <= until]
        return {"stat": "ok", "photos": {"page": 1, "photo": found[: self.page_size]}}

    def searches(self) -> list[dict[str, str]]:
        return [form for form in self.forms if form["method"] == "flickr.photos.search"]


@pytest.fixture
def flickr_server() -> Iterator[StandIn]:
    """Run it in a thread, with ten photos."""
    with StandIn(10) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self.server.forms.append(form)
        if self.server.answers:
            return self.answer(200, self.server.answers.pop(0))
        if form["api_key"] != self.server.key:
            message = f"Invalid API Key {form['api_key']}"
            content: dict[str, Any] = {"stat": "fail", "code": 100, "message": message}
        elif form["method"] == "flickr.photos.search":
            content = self.server.search(form)
        else:
            content = {"stat": "ok", "licenses": {"license": LICENCES}}
        self.answer(200, json.dumps(content).encode())

    def do_GET(self) -> None:
        time.sleep(self.server.pause_s)
        self.server.asked.append(self.path)
        data = self.server.files.get(re.sub(r"\?.*", "", self.path))
        self.answer(404 if data is None else 200, data or b"")

    def answer(self, status: int, data: bytes) -> None:
        self.server.heads.append(f"{self.requestline}\n{self.headers}")
        if self.server.statuses:
            status, data = self.server.statuses.pop(0), b""
        self.send_response(status)
        if status in (301, 302):
            self.send_header("Location", f"{self.server.url}/0_h.jpg")
        if self.server.retry_after:
            self.send_header("Retry-After", self.server.retry_after)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass
