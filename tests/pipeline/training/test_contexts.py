"""One training loop under two contexts: Ray Train on shards, and this process on arrays of their patches."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pipeline.errors import TrainingError
from pipeline.layout import CONFIG, FEATURES, CameraPaths
from pipeline.patches.patches import Patches
from pipeline.patches.settings import WHOLE_PX
from pipeline.patches.shards import WHOLE, Index, encode
from pipeline.training.checkpoint import HISTORY, MODEL, STATE
from pipeline.training.memory_context import MemoryContext
from pipeline.training.rank import train
from pipeline.training.run import Run
from pipeline.training.settings import Training
from tests.pipeline.patches.writing import write_shards
from wespe.guard import GuardConfig
from wespe.learner import LearnerConfig
from wespe.methods.lut_residual import LutResidualConfig
from wespe.methods.lut_restore import DegradationConfig
from wespe.methods.restore import RestoreConfig
from wespe.networks.features import ContentConfig
from wespe.networks.restorer import RestorerConfig
from wespe.optimisers import OptimiserConfig

SIZE, PATCHES = 32, 150
STEPS, HALF = 4, 2
TIMINGS = ("images_per_s", "data_wait")
RUN = Run(
    camera="phone",
    target="dslr",
    data={},
    size_px=SIZE,
    method=LutResidualConfig(
        start_patches=24, content=ContentConfig(layers={"relu1_1": 1.0}, weights="random")
    ),
    learner=LearnerConfig(ema_decay=0.5, precision="fp32"),
    guard=GuardConfig(min_psnr_db=0, rollbacks=1),
    training=Training(steps=STEPS, batch_size=8, log_every=1, checkpoint_every=HALF),
)


WITH_WHOLE = replace(
    RUN,
    method=RestoreConfig(
        learn_light=True,
        start_patches=24,
        detail=RestorerConfig(width=4, blocks=1),
        degradation=DegradationConfig(steps=2),
        content=RUN.method.content,
    ),
)


@pytest.fixture(scope="module")
def whole() -> tuple[np.ndarray, np.ndarray]:
    source, target = np.random.default_rng(4).integers(0, 256, (2, 11, WHOLE_PX, WHOLE_PX, 3), np.uint8)
    return source // 2, target


@pytest.fixture(scope="module")
def patches() -> tuple[np.ndarray, np.ndarray]:
    """Two sets that are no multiple of a row group."""
    source, target = np.random.default_rng(3).integers(0, 256, (2, PATCHES, SIZE, SIZE, 3), np.uint8)
    return source // 2, target


@pytest.fixture
def features(tmp_path: Path) -> Path:
    """Random content weights need no file."""
    return tmp_path / FEATURES


def shards(folder: Path, patches: np.ndarray, whole: np.ndarray | None = None) -> Index:
    photos = [str(number) for number in range(len(patches))]
    table = encode(photos, [(0, 0)] * len(patches), patches)
    if whole is not None:
        shards(folder / WHOLE, whole)
    return write_shards(folder, Patches(size_px=patches.shape[1], per_photo=1), {"train": [table]})


def same_but_for_timings(first: Path, second: Path) -> bool:
    """Whether two checkpoints agree in every byte of state and model, and in every loss."""
    files = [STATE, *(f"{MODEL}/{file.name}" for file in (first / MODEL).iterdir())]
    records = [json.loads((folder / HISTORY).read_bytes()) for folder in (first, second)]
    losses = [[{k: v for k, v in r.items() if k not in TIMINGS} for r in history] for history in records]
    same = [(first / file).read_bytes() == (second / file).read_bytes() for file in files]
    return len(files) == 4 and all(same) and losses[0] == losses[1]


def nearly_the_same(first: Path, second: Path) -> bool:
    """Whether states and losses agree but for rounding, which differs where a degradation is fitted."""
    states = [load_file(folder / STATE) for folder in (first, second)]
    light = [json.loads((folder / HISTORY).read_bytes())[-1]["light"] for folder in (first, second)]
    assert states[0].keys() == states[1].keys()
    apart = [(states[0][n].double() - states[1][n].double()).abs().max() for n in states[0]]
    return max(apart) < 1e-6 and light[0] == pytest.approx(light[1], rel=1e-6)


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize(
    ("run", "same"),
    [(RUN, same_but_for_timings), (WITH_WHOLE, nearly_the_same)],
    ids=["patches", "patches and whole photos"],
)
def test_ray_and_memory_write_the_same_checkpoints(
    run: Run, same, patches, whole, features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """On one CPU worker: so each resumes the other's, and a comparison's table is of what a camera gets."""
    from pipeline.training.driver import fit, last_checkpoint, latest_step

    monkeypatch.chdir(tmp_path)
    source, target = patches
    indexes = [shards(tmp_path / name, *of_set) for name, *of_set in zip("ab", patches, whole, strict=True)]
    ray_run = tmp_path / "runs/run"
    fit(run, *indexes, str(ray_run), workers=1)

    lines = capsys.readouterr().err.splitlines()
    start, found, first, *_, last = [line.split()[2] for line in lines]
    assert (start, found, first, last) == ("fits", "fitted", f"1/{STEPS}", f"{STEPS}/{STEPS}")

    # A worker takes all cores, and sums in another order round differently.
    torch.set_num_threads(os.cpu_count() or 1)
    halfway = tmp_path / "halfway"
    train_halfway(run, MemoryContext(run, source, target, whole=whole, checkpoint=halfway), features)
    by_ray = sorted(ray_run.glob("checkpoint_*/"))
    assert len(by_ray) == 2
    assert same(halfway, by_ray[0])

    train(run, MemoryContext(run, source, target, whole=whole, checkpoint=halfway), features)
    assert latest_step(str(ray_run)) == STEPS
    assert same(halfway, Path(last_checkpoint(str(ray_run))))


@pytest.mark.usefixtures("ray_session")
def test_a_training_that_diverges_stops_at_once_and_leaves_no_model(
    patches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray Train would otherwise repeat it, to diverge again."""
    from pipeline.training.driver import train_camera

    monkeypatch.chdir(tmp_path)
    learner = replace(RUN.learner, optimiser=OptimiserConfig(learning_rate=1e30))
    wild = replace(RUN, learner=learner, guard=GuardConfig(min_psnr_db=0))
    source, target = (shards(tmp_path / f"{n}", one) for n, one in enumerate(patches))
    with pytest.raises(TrainingError) as stopped:
        train_camera(wild, source, target)
    message = str(stopped.value)
    assert message.startswith("camera phone: ")
    assert "are not finite at step" in message
    assert "lower learner.optimiser.learning_rate (now 1e+30)" in message
    assert not (tmp_path / CameraPaths(camera="phone").model).exists()


def train_halfway(run: Run, context: MemoryContext, features: Path) -> None:
    """Train until the first checkpoint, as if the process were killed then."""
    report = context.report

    class Killed(Exception):
        pass

    def killed(record, checkpoint) -> None:
        report(record, checkpoint)
        if checkpoint:
            raise Killed

    context.report = killed
    with pytest.raises(Killed):
        train(run, context, features)


def test_a_resumed_run_keeps_the_precision_that_it_began_with(
    patches, features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects: bit-exact resuming, since a busy machine may measure another speed of bfloat16."""
    choices = iter([True, False])
    monkeypatch.setattr("wespe.learner.computes_in_bfloat16", lambda *_: next(choices))
    checkpoint = tmp_path / "checkpoint"
    train_halfway(RUN, MemoryContext(RUN, *patches, checkpoint=checkpoint), features)
    train(RUN, MemoryContext(RUN, *patches, checkpoint=checkpoint), features)
    assert load_file(checkpoint / STATE)["bfloat16"]
    assert next(choices, None) is None, "both asked"


def test_zero_steps_keep_the_initial_transform(patches, features: Path, tmp_path: Path) -> None:
    """Protects: methods that need no training, and tables that show the effect of training."""
    start, trained = tmp_path / "start", tmp_path / "trained"
    none = replace(RUN, training=replace(RUN.training, steps=0))
    train(none, MemoryContext(none, *patches, checkpoint=start), features)
    train(RUN, MemoryContext(RUN, *patches, checkpoint=trained), features)
    histories = [json.loads((folder / HISTORY).read_bytes()) for folder in (start, trained)]
    assert [[record["step"] for record in history] for history in histories] == [[0], [1, 2, 3, 4]]
    weights = [(folder / MODEL / "generator.safetensors").read_bytes() for folder in (start, trained)]
    assert weights[0] != weights[1]


def test_the_initial_transform_is_fitted_before_the_first_step(
    patches, features: Path, tmp_path: Path
) -> None:
    """The generator of a run without steps already changes photos towards the target."""
    none = replace(RUN, training=replace(RUN.training, steps=0))
    source, target = patches
    generator = train(none, MemoryContext(none, source, target), features)
    photos = torch.from_numpy(source[:8]).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        enhanced = generator(photos)
    wanted = target.mean() / 255
    assert abs(enhanced.mean() - wanted) < 0.5 * abs(photos.mean() - wanted)
    assert not (tmp_path / CameraPaths(camera="phone").model).exists()


def test_the_licences_of_data_sets_reach_the_models_config_and_nothing_else(
    patches, features: Path, tmp_path: Path
) -> None:
    """Protects: whoever gets the model folder sees what it was learned from."""
    from pipeline.training.driver import run_name

    facts = {"role": "photos", "name": "div2k", "commercial_use": "no"}
    run = replace(RUN, data_sets=(facts,), training=replace(RUN.training, steps=0))
    train(run, MemoryContext(run, *patches, checkpoint=tmp_path / "run"), features)
    config = json.loads((tmp_path / "run" / MODEL / CONFIG).read_bytes())
    assert config["data_sets"] == [facts]
    assert run_name(run) == run_name(replace(run, data_sets=()))
    assert run_name(run) != run_name(replace(run, target="other"))
