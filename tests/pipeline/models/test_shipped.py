"""Models in pipeline/models/shipped are installed with the package, and small."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.models.card import card_of
from pipeline.models.known_models import SHIPPED
from pipeline.models.model_files import save_model
from pipeline.models.model_folder import load_model
from pipeline.models.package import PACKAGE_MANIFEST, read_manifest, sha256
from pipeline.zoo.packaging import package
from wespe.methods import build_generator
from wespe.methods.lut_residual import LutResidualConfig

MOST_BYTES = 200_000
MADE_OF = ("wespe", "pipeline", "stages")


@pytest.mark.engine
def test_a_shipped_model_is_installed_and_found(repository: Path, tmp_path: Path) -> None:
    """Protects: `pip install` and nothing else is enough. A real install of a copy, with one model more."""
    source, target = tmp_path / "source", tmp_path / "target"
    for name in MADE_OF:
        shutil.copytree(repository / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, source)
    torch.manual_seed(0)
    method = LutResidualConfig()
    save_model(tmp_path / "made", build_generator(method), method, {"camera": "made"})
    files = package(tmp_path / "made", {"name": "test-phone", "licence": "MIT"})
    shipped = source / SHIPPED.relative_to(repository) / "test-phone"
    shipped.mkdir()
    for name, data in files.items():
        (shipped / name).write_bytes(data)
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "install", *offline, "--target", target, source], check=True)
    installed = target / SHIPPED.relative_to(repository) / "test-phone"
    assert {path.name: path.read_bytes() for path in installed.iterdir()} == files
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8))
    photo.save(tmp_path / "beach.jpg")
    for arguments, said in (
        (["models"], "comes with wespe"),
        (["enhance", "beach.jpg"], "beach-enhanced.jpg"),
    ):
        ended = subprocess.run(
            [sys.executable, "-c", "from stages.laptop import main; main()", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(target), "WESPE_MODELS": str(tmp_path / "own")},
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stderr
        assert said in ended.stdout
    assert (tmp_path / "beach-enhanced.jpg").is_file()


def test_every_shipped_model_is_whole_small_and_licensed() -> None:
    """Protects: what every user installs. There may be none."""
    for folder in (path for path in SHIPPED.iterdir() if path.is_dir()):
        data = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert sum(map(len, data.values())) < MOST_BYTES, folder
        manifest = read_manifest(data.pop(PACKAGE_MANIFEST), str(folder))
        assert {name: sha256(content) for name, content in data.items()} == {
            name: facts.sha256 for name, facts in manifest.files.items()
        }
        card = card_of(data["card.json"], str(folder))
        card.require_licence(str(folder))
        assert manifest.name == card.name == folder.name
        assert json.loads(data["config.json"])["name"] == folder.name
        load_model(folder)
