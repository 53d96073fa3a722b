"""A small study, honest participants, and a real browser where this machine has one."""

import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data

from pipeline.research.study.key import Study
from pipeline.research.study.order import in_order, on_left
from pipeline.research.study.page import make_study

PHOTOS = {"astronaut": data.astronaut, "cat": data.chelsea, "coffee": data.coffee, "rocket": data.rocket}
CHROMIUMS = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome", "chrome")
PATIENCE_S = 20
Export = Callable[..., Path]


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Four photos as a camera and as a model see them; one is wider than a page shows. Only to be read."""
    root = tmp_path_factory.mktemp("photos")
    for folder, gain in (("weak", 0.6), ("strong", 1.0)):
        for name, photo in PHOTOS.items():
            path = root / folder / f"walk/{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            image = Image.fromarray((photo() * gain).astype(np.uint8))
            (image.resize((1500, 1000)) if name == "coffee" else image).save(path)
    return root / "weak", root / "strong"


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="session")
def study(folders: tuple[Path, Path], studies: Path) -> Study:
    return make_study("walk", folders, ("before", "after"), 30, studies)


@pytest.fixture
def export(study: Study, tmp_path: Path) -> Export:
    """Return `export(number, prefer)`: the file of participant `number`; `prefer` maps a pair to a label."""

    def write(number: int, prefer: Callable[[str], str] = lambda name: "after") -> Path:
        participant = f"{number:032x}"
        choices = []
        for pair in in_order(participant, study):
            photos = dict(zip(study.labels, pair.photos, strict=True))
            left, chosen = on_left(participant, pair), photos.get(prefer(pair.name))
            choices.append({"pair": pair.id, "left": left, "chosen": chosen})
        path = tmp_path / f"choices-{number}.json"
        path.write_text(json.dumps({"study": study.id, "participant": participant, "choices": choices}))
        return path

    return write


class Browser:
    """A headless Chromium and one tab of it, by the DevTools protocol over two pipes: no driver needed."""

    def __init__(self, program: str, folder: Path):
        to_browser, from_us = os.pipe()
        from_browser, to_us = os.pipe()
        options = [
            "--headless",
            "--remote-debugging-pipe",
            f"--user-data-dir={folder / 'profile'}",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),  # Chromium's sandbox refuses root
        ]
        self.process = subprocess.Popen(
            # Chromium reads from 3 and writes to 4; dash cannot redirect numbers of two digits.
            ["bash", "-c", f'exec "$0" "$@" 3<&{to_browser} 4>&{to_us}', program, *options],
            pass_fds=(to_browser, to_us),
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(to_us)
        self.writer, self.reader = os.fdopen(from_us, "wb"), os.fdopen(from_browser, "rb")
        self.numbers, self.rest, self.session = itertools.count(1), b"", ""

    def fresh_tab(self, downloads: Path) -> None:
        """Forget the last tab, and whatever its pages kept."""
        self.session, self.downloads = "", downloads
        context = self.call("Target.createBrowserContext", disposeOnDetach=True)["browserContextId"]
        folder = {"behavior": "allow", "downloadPath": str(downloads)}
        self.call("Browser.setDownloadBehavior", browserContextId=context, **folder)
        tab = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.size(1440, 900)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.writer.write(json.dumps(message).encode() + b"\0")
        self.writer.flush()
        while (answer := self._read()).get("id") != number:
            pass  # an event
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            data = os.read(self.reader.fileno(), 2**20)
            assert data, "the browser has ended"
            self.rest += data
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def open(self, page: Path) -> None:
        self.call("Page.navigate", url=page.as_uri())
        self.wait("document.readyState === 'complete'")

    def js(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        until = time.monotonic() + PATIENCE_S
        while not self.js(condition):
            assert time.monotonic() < until, f"never came: {condition}"
            time.sleep(0.02)

    def size(self, width: int, height: int, dark: bool = False) -> None:
        """Take the size of a screen; below 800 px it is a phone's, to be touched."""
        phone = width < 800
        screen = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        self.call("Emulation.setDeviceMetricsOverride", **screen)
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def mouse(self, kind: str, x: float, y: float) -> None:
        pressed = {"button": "left", "clickCount": 1} if kind != "mouseMoved" else {}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **pressed)

    def place(self, selector: str, x: float = 0.5, y: float = 0.5) -> tuple[float, float]:
        """Where on the screen a part of the page is; `x` and `y` are fractions of its size."""
        box = f"document.querySelector('{selector}').getBoundingClientRect()"
        left, top, width, height = self.js(f"(({{x, y, width, height}}) => [x, y, width, height])({box})")
        assert width * height > 0, f"{selector} is not to be seen"
        return left + x * width, top + y * height

    def click(self, selector: str, x: float = 0.5, y: float = 0.5) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, *self.place(selector, x, y))

    def press(self, key: str) -> None:
        text = {"text": key} if len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **(text if kind == "keyDown" else {}))

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        self.writer.close()
        self.reader.close()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = os.environ.get("WESPE_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if program is None:
        pytest.skip("no Chromium on PATH: install one, or set WESPE_CHROMIUM to its program")
    opened = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.close()


@pytest.fixture
def browser(chromium: Browser, tmp_path: Path) -> Browser:
    chromium.fresh_tab(tmp_path)
    return chromium
