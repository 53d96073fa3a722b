"""`make bench`: speeds are positive, ratios finite, tables aligned. Sizes are tiny and Ray stays off."""

import math
from pathlib import Path

import numpy as np
import pytest

from pipeline.benchmarks.clock import steady_speed
from pipeline.benchmarks.layouts import measure_layouts
from pipeline.benchmarks.step import measure_step
from pipeline.benchmarks.stream import read
from pipeline.benchmarks.tables import Ratio, layout_table, machine, ratio_table
from pipeline.data.patches import Patches
from pipeline.data.shards import Index, encode, write_shards
from pipeline.params import Preset
from pipeline.training.settings import Training
from wespe.methods.wespe import WespeConfig
from wespe.networks.critic import CriticConfig
from wespe.networks.features import ContentConfig
from wespe.networks.generator import GeneratorConfig

TINY = Preset(
    method=WespeConfig(
        generator=GeneratorConfig(width=4, blocks=1),
        critic=CriticConfig(width=0.1),
        content=ContentConfig(layers={"relu1_2": 1.0}),
    ),
    training=Training(batch_size=2),
)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    monkeypatch.chdir(tmp_path)
    patches = np.random.default_rng(0).integers(0, 255, (100, 32, 32, 3), np.uint8)
    table = encode(["p"] * 100, [(0, 0)] * 100, patches)
    return write_shards(tmp_path / "patches", Patches(size_px=32, per_photo=100), {"train": [table]})


def test_a_step_has_a_finite_ratio_and_a_line() -> None:
    ratio = measure_step("tiny", TINY, size_px=32, batch_size=2, repeats=2)
    assert ratio.ratio > 0
    assert math.isfinite(ratio.ratio)
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
    read(index, [(shard.file, 0, 64), (shard.file, 1, 36)], threads=2)


def test_a_steady_speed_forgets_the_start() -> None:
    assert steady_speed([10, 11, 11.5, 12, 12.5], amount=3) == pytest.approx(6)


def test_the_machine_is_one_line_in_words() -> None:
    assert "cores of" in machine()
    assert "\n" not in machine()
