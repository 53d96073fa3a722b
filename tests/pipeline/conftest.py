"""A camera as it is between training and evaluation: photos with truth, a target, a tiny model, losses."""

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from pipeline.evaluation.evaluation import write_report
from pipeline.evaluation.scores import Score
from pipeline.evaluation.variants import VARIANTS
from pipeline.layout import MLFLOW_DATABASE, CameraPaths, photo_set
from pipeline.models.model_files import save_model
from pipeline.patches.manifest import Photo, write_manifest
from pipeline.photos.images import write_photo
from wespe.methods import build_generator
from wespe.methods.wespe import WespeConfig
from wespe.networks.resnet import ResNetConfig

SIZE_PX = 180
EVALUATED = "abcdef"  # an interval needs five photos
SOUND = {
    "fidelity": 20.0,
    "noise_gain": 1.2,
    "colour_correlation": 0.9,
    "contrast_ratio": 1.1,
    "tile_difference": 0.0,
    "megapixels_per_s": 1.0,
}
Train = Callable[..., CameraPaths]


@pytest.fixture
def camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Work in a fresh folder with photos of camera `phone` and target `dslr`.

    Returns `train(seed=0, truth=True)`, which writes a model; three photos are in the test split.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    truths = [_piece(data.astronaut(), 0), _piece(data.astronaut(), 200), _piece(data.coffee(), 40)]
    truths += [_piece(data.chelsea(), 60), _piece(data.chelsea(), 100)]
    splits = ["test", "test", "test", "train", "train"]
    _fill(
        "targets.dslr",
        [_piece(data.rocket(), 0), _piece(data.coffee(), 200)],
        ["train", "train"],
        truth=False,
    )

    def train(seed: int = 0, truth: bool = True) -> CameraPaths:
        _fill("cameras.phone", truths, splits, truth)
        paths = CameraPaths(camera="phone")
        torch.manual_seed(seed)
        method = WespeConfig(generator=ResNetConfig(width=4, blocks=1))
        facts = {"camera": "phone", "target": "dslr", "data": {"source": "a1", "target": "b2"}}
        trained = build_generator(method)
        start = {name: value + 0.02 for name, value in trained.state_dict().items()}
        save_model(paths.model, trained, method, facts, start)
        paths.report.mkdir(parents=True, exist_ok=True)
        losses = [{"step": step, "images_per_s": 9.5, "colour": 1 / step} for step in (1, 2, 3)]
        paths.losses.write_text(json.dumps(losses))
        return paths

    return train


def _piece(photo: np.ndarray, start: int) -> np.ndarray:
    return photo[start : start + SIZE_PX, start : start + SIZE_PX + 8]


def _fill(address: str, truths: list[np.ndarray], splits: list[str], truth: bool) -> None:
    folder = photo_set(address).photos
    folder.mkdir(parents=True, exist_ok=True)
    photos = []
    for number, (pixels, split) in enumerate(zip(truths, splits, strict=True)):
        write_photo(folder / f"{number}.png", (pixels * 0.7).astype(np.uint8))
        write_photo(folder / f"{number}-truth.png", pixels)
        row = Photo(
            id=f"{number:032x}",
            name=f"walk/{number}.png",
            path=f"{number}.png",
            truth_path=f"{number}-truth.png" if truth else "",
            bytes=1,
            width=pixels.shape[1],
            height=pixels.shape[0],
            split=split,
        )
        photos.append(row)
    write_manifest(folder, photos)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without content: making one takes ten seconds, copying it none."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_registered_models()
    return path


@pytest.fixture
def evaluated(camera: Train, migrated: Path) -> Train:
    """Like `camera`, with an empty registry, and a report of a sound model that beats its yardsticks.

    Returns `evaluate(seed=0, psnr=20.0, **checks)`: photos have this PSNR and 1 dB more, in turns, and 18 dB
    untouched; checks replace those of `SOUND`.
    """
    shutil.copy(migrated, MLFLOW_DATABASE)

    def evaluate(seed: int = 0, psnr: float = 20.0, **checks: float) -> CameraPaths:
        paths = camera(seed)
        rows = [(photo, metric, value) for photo in EVALUATED for metric, value in (SOUND | checks).items()]
        scores = [
            Score(photo_id=photo, name=photo, variant=variant, metric=metric, value=value)
            for variant in VARIANTS
            for photo, metric, value in [
                *rows,
                *(
                    (photo, "psnr", psnr + number % 2 if variant == "enhanced" else 18.0)
                    for number, photo in enumerate(EVALUATED)
                ),
                ("", "colour_distance", 3.0 if variant == "enhanced" else 5.0),
            ]
        ]
        write_report(paths, scores, {"before_after": Image.new("RGB", (8, 8))})
        return paths

    return evaluate


@pytest.fixture(scope="session")
def profiles() -> dict[str, bytes]:
    """Make ICC profiles as cameras embed them."""
    srgb_red, srgb_blue = (0.64, 0.33), (0.15, 0.06)
    linear_at_black = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    srgb_curve = struct.pack(">4sIHH5i", b"para", 0, 3, 0, *(round(n * 65536) for n in linear_at_black))
    gamma = struct.pack(">4sIIH", b"curv", 0, 1, 563)
    points = (np.linspace(0, 1, 1024) ** 1.8 * 65535).round().astype(">u2").tobytes()
    table = struct.pack(">4sII", b"curv", 0, 1024) + points
    return {
        "sRGB": _profile("sRGB", srgb_red, (0.30, 0.60), srgb_blue, srgb_curve),
        "Display P3": _profile("Display P3", (0.680, 0.320), (0.265, 0.690), srgb_blue, srgb_curve),
        "Adobe RGB": _profile("Adobe RGB (1998)", srgb_red, (0.21, 0.71), srgb_blue, gamma),
        "table": _profile("table", srgb_red, (0.21, 0.71), srgb_blue, table),
    }


def _profile(name: str, red: tuple, green: tuple, blue: tuple, curve: bytes) -> bytes:
    """An ICC v2 display profile of three primaries (x, y)."""
    d50, d65 = np.array([0.9642, 1.0, 0.8249]), np.array([0.95046, 1.0, 1.08906])
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    primaries = np.array([[x / y, 1, (1 - x - y) / y] for x, y in (red, green, blue)]).T
    light = primaries * np.linalg.solve(primaries, d65)
    adapted = np.linalg.inv(bradford) @ np.diag((bradford @ d50) / (bradford @ d65)) @ bradford @ light
    text = name.encode() + b"\0"
    tags = {
        b"desc": struct.pack(">4sII", b"desc", 0, len(text)) + text + bytes(4 + 4 + 2 + 1 + 67),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": _xyz(d50),
        **{channel + b"XYZ": _xyz(adapted[:, number]) for number, channel in enumerate((b"r", b"g", b"b"))},
        **{channel + b"TRC": curve for channel in (b"r", b"g", b"b")},
    }
    offset, index, body = 128 + 4 + 12 * len(tags), b"", b""
    for tag, entry in tags.items():
        index += struct.pack(">4sII", tag, offset + len(body), len(entry))
        body += entry + bytes(-len(entry) % 4)
    header = struct.pack(">I4sI4s4s4s", offset + len(body), b"none", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", *(round(v * 65536) for v in d50))
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + index + body


def _xyz(values: np.ndarray) -> bytes:
    return struct.pack(">4sI3i", b"XYZ ", 0, *(round(value * 65536) for value in values))
