"""A small model, and a job as the command runs it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pipeline.enhancement.job import Engine, Summary, carry_out, in_process
from pipeline.enhancement.one_photo import Settings
from pipeline.enhancement.plan import Plan, make_plan
from pipeline.enhancement.routing import Router
from pipeline.files import is_leftover
from pipeline.models.model_files import save_model
from wespe.methods.wespe import WespeConfig
from wespe.networks.resnet import ResNet, ResNetConfig

MakeModel = Callable[..., Path]


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    def make(name: str = "model", seed: int = 0, width: int = 4) -> Path:
        torch.manual_seed(seed)
        config = ResNetConfig(width=width, blocks=1)
        save_model(tmp_path / name, ResNet(config), WespeConfig(generator=config), {})
        return tmp_path / name

    return make


@pytest.fixture
def model(make_model: MakeModel) -> Path:
    return make_model()


@pytest.fixture
def plan() -> Callable[..., Plan]:
    """Plan with one model: `plan(model, IN, …, OUT, settings=…)`."""

    def make(model: Path, *places: object, settings: Settings | None = None) -> Plan:
        *sources, destination = map(str, places)
        return make_plan(sources, destination, Router(fixed=str(model)), Path, settings or Settings())

    return make


@pytest.fixture
def enhance(plan: Callable[..., Plan]) -> Callable[..., Summary]:
    """Do it: `enhance(model, IN, …, OUT, settings=…, engine=…, max_failed_share=…)`."""

    def run(
        model: Path,
        *places: object,
        settings: Settings | None = None,
        engine: Engine = in_process,
        **limits: float,
    ) -> Summary:
        return carry_out(plan(model, *places, settings=settings), engine, **limits)

    return run


@pytest.fixture(scope="session")
def times() -> Callable[[Path], dict[str, int]]:
    """What lies in a folder, but for its ledger, and when it was written."""

    def look(folder: Path) -> dict[str, int]:
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
        return {
            name: path.stat().st_mtime_ns
            for name, path in files.items()
            if path.is_file() and not name.startswith("ledger/") and not is_leftover(path.name)
        }

    return look
