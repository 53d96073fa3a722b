"""`make bench`: speeds are positive, ratios finite, tables aligned. Sizes are tiny and Ray stays off."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.params import Preset
from pipeline.patches.patches import Patches
from pipeline.patches.shards import Index, encode
from pipeline.research.benchmarks.clock import steady_speed
from pipeline.research.benchmarks.layouts import measure_layouts
from pipeline.research.benchmarks.plain import PlainLearner
from pipeline.research.benchmarks.step import measure_step, method
from pipeline.research.benchmarks.stream import read
from pipeline.research.benchmarks.tables import Ratio, layout_table, machine, ratio_table
from pipeline.training.settings import Training
from tests.pipeline.patches.writing import write_shards
from wespe.batch import Batch
from wespe.learner import Learner, LearnerConfig
from wespe.methods.srcnn import SrcnnConfig
from wespe.methods.wespe import WespeConfig
from wespe.networks.critic import CriticConfig
from wespe.networks.features import ContentConfig
from wespe.networks.resnet import ResNetConfig

TINY = Preset(
    method=WespeConfig(
        generator=ResNetConfig(width=4, blocks=1),
        critic=CriticConfig(width=0.1),
        content=ContentConfig(layers={"relu1_2": 1.0}),
    ),
    learner=LearnerConfig(precision="fp32"),
    training=Training(batch_size=2),
)


# In bfloat16 where that is fast: elsewhere one matrix product of the ceiling takes minutes.
SRCNN = Preset(method=SrcnnConfig(), learner=LearnerConfig(precision="auto"))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    monkeypatch.chdir(tmp_path)
    patches = np.random.default_rng(0).integers(0, 255, (100, 32, 32, 3), np.uint8)
    table = encode(["p"] * 100, [(0, 0)] * 100, patches)
    return write_shards(tmp_path / "patches", Patches(size_px=32, per_photo=100), {"train": [table]})


@pytest.mark.parametrize("preset", [TINY, SRCNN], ids=["wespe", "srcnn"])
def test_a_step_is_compared_with_a_plain_one_and_with_peak_speed(preset: Preset) -> None:
    step, share = measure_step("tiny", preset, size_px=32, batch_size=2, repeats=2)
    assert 0 < step.ratio < math.inf
    assert 0 < share.ratio < 1.5


def test_the_plain_step_has_the_learners_losses() -> None:
    size_px, device = 32, torch.device("cpu")
    batch = Batch(*torch.rand(2, 2, 3, size_px, size_px), 2)
    ours, plain = method(TINY, size_px, device), method(TINY, size_px, device)
    plain.load_state_dict(ours.state_dict())
    learner, plain_learner = Learner(ours, TINY.learner), PlainLearner(plain, TINY.learner)
    for _ in range(3):
        learner.learn(batch)
        lost = plain_learner.learn(batch)
        read = learner.read_losses()
        assert lost == pytest.approx({name: read[name] for name in lost}, rel=1e-3)


def test_ratios_are_aligned() -> None:
    ratio = Ratio(what="step", unit="images", speed=2, ceiling="plain", ceiling_speed=1)
    engine = Ratio(
        what="stream", unit="patches", speed=50, ceiling="pyarrow", ceiling_speed=200, start_s=1.25
    )
    head, *lines = ratio_table([ratio, engine]).splitlines()
    assert head.split() == ["what", "start", "speed", "ceiling", "its", "speed", "ratio"]
    assert lines[1].split() == [
        "stream",
        "1.2",
        "s",
        "50.0",
        "patches/s",
        "pyarrow",
        "200",
        "patches/s",
        "0.25",
    ]
    assert len({len(line) for line in (head, *lines)}) == 1


def test_every_layout_has_a_size_and_a_speed(index: Index) -> None:
    layouts = measure_layouts(index, patches=80, repeats=1)
    assert [layout.name for layout in layouts][-1] == "PNG bytes"
    assert all(layout.patches_per_s > 0 for layout in layouts)
    assert layouts[0].size == pytest.approx(1, abs=0.1)  # nothing but pixels
    assert len(layout_table(layouts).splitlines()) == 1 + len(layouts)


def test_plain_reading_knows_every_group(index: Index) -> None:
    [shard] = index.splits["train"]
    place = shard.place(index.folder)
    read(index, [(place, 0, 64), (place, 1, 36)], threads=2)


def test_a_steady_speed_ignores_the_start() -> None:
    assert steady_speed([10, 11, 11.5, 12, 12.5], amount=3) == pytest.approx(6)


def test_the_machine_is_one_line_in_words() -> None:
    assert "cores of" in machine()
    assert "\n" not in machine()
