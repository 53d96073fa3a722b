"""Two ranks of the real Ray Train: what they learn from, and that they agree."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.patches.patches import Patches
from pipeline.patches.shards import encode
from pipeline.patches.stream import stream_of
from pipeline.training.run import Run
from pipeline.training.settings import Training
from tests.pipeline.patches.writing import write_shards
from wespe.batch import Batch
from wespe.guard import GuardConfig
from wespe.learner import Learner, LearnerConfig
from wespe.methods import build_method
from wespe.methods.srcnn import SrcnnConfig
from wespe.methods.wespe import WespeConfig
from wespe.networks.critic import CriticConfig
from wespe.networks.features import ContentConfig
from wespe.networks.resnet import ResNetConfig

SIZE, TOTAL, STEPS = 32, 40, 15
LEARNED_FROM = 8  # patches a step of the method that learns
METHOD = WespeConfig(
    generator=ResNetConfig(width=4, blocks=1),
    critic=CriticConfig(width=0.1),
    content=ContentConfig(layers={"relu1_2": 1.0}, weights="random"),
)
LEARNER = LearnerConfig(ema_decay=0.5, precision="fp32")
PAIRED = Run(
    camera="phone",
    target="dslr",
    data={},
    size_px=SIZE,
    method=SrcnnConfig(),
    learner=LEARNER,
    guard=GuardConfig(),
    training=Training(batch_size=TOTAL),
)


def batch(step: int, part: slice) -> Batch:
    generator = torch.Generator().manual_seed(step)
    source, target = torch.rand(2, LEARNED_FROM, 3, SIZE, SIZE, generator=generator)
    return Batch(source[part], target[part], LEARNED_FROM)


def learner(wrap: Any = lambda module: module, gather: Any = lambda values: values[None]) -> Learner:
    torch.manual_seed(0)
    return Learner(build_method(METHOD, size_px=SIZE), LEARNER, wrap, gather)


def learn_and_read(config: dict[str, Any]) -> None:
    """Run inside a Ray Train worker: learn from half of every batch, then note what the streams give."""
    from pipeline.training.ray_context import RayContext

    context = RayContext(PAIRED, [config["groups"]])
    one = learner(context.wrap, context.gather)
    share = LEARNED_FROM // context.workers
    for step in range(2):
        one.learn(batch(step, slice(context.rank * share, (context.rank + 1) * share)))
    losses = {name: torch.tensor(value) for name, value in one.read_losses().items()}
    save_file(one.state_dict() | losses, Path(config["folder"]) / f"{context.rank}.safetensors")

    sample, truths = context.samples(100)
    batches = context.batches(0)
    seen = [next(batches) for _ in range(STEPS)]
    noted = {
        "sample": sample.patches_nhwc.numpy().tobytes().hex()[:64],
        "sample matched": bool((truths.patches_nhwc == 255 - sample.patches_nhwc).all()),
        "sizes": [len(source) for source, _ in seen],
        "matched": [bool((target == 255 - source).all()) for source, target in seen],
        "first": [patch.numpy().tobytes().hex()[:64] for source, _ in seen[:5] for patch in source],
    }
    (Path(config["folder"]) / f"{context.rank}.json").write_text(json.dumps(noted))


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Path:
    """The folder in which two ranks left what they learned and read."""
    import ray
    import ray.train
    from ray import cloudpickle
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    from pipeline.patches.dataset import dataset

    folder = tmp_path_factory.mktemp("ranks")
    patches = np.random.default_rng(0).integers(0, 256, (48 * 64, SIZE, SIZE, 3), np.uint8)
    table = encode(["p"] * len(patches), [(0, 0)] * len(patches), patches, 255 - patches)
    settings = Patches(size_px=SIZE, per_photo=1)
    index = write_shards(folder / "pairs", settings, {"train": [table]}, paired=True)
    pairs = stream_of(index, "train", name="pairs", seed=1, paired=True)

    # Workers cannot import a test module: its functions travel by value.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    TorchTrainer(
        learn_and_read,
        train_loop_config={"folder": str(folder), "groups": pairs.groups},
        datasets={"pairs": dataset(pairs, first_row=0, rows=STEPS * TOTAL, workers=2)},
        dataset_config=ray.train.DataConfig(execution_options=ray.data.ExecutionOptions(preserve_order=True)),
        scaling_config=ScalingConfig(num_workers=2),
        run_config=RunConfig(name="pair", storage_path=str(folder)),
    ).fit()
    return folder


def test_two_workers_learn_the_same_as_one_from_the_joined_batch(ranks: Path) -> None:
    """Eqs. 3 and 4 sum over the batch, DDP averages over the workers: the scale must come out right."""
    first, second = (load_file(ranks / f"{rank}.safetensors") for rank in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())

    alone = learner()
    for step in range(2):
        alone.learn(batch(step, slice(None)))
    for name, value in alone.read_losses().items():
        assert first[name].item() == pytest.approx(value, rel=1e-3), name
    for name, value in alone.state_dict().items():
        if name.startswith("networks/"):
            torch.testing.assert_close(first[name], value, atol=5e-4, rtol=1e-2)


def test_two_ranks_learn_from_different_pairs_that_match(ranks: Path) -> None:
    """Protects: paired training on many workers."""
    notes = [json.loads((ranks / f"{rank}.json").read_text()) for rank in range(2)]
    assert all(set(rank["sizes"]) == {TOTAL // 2} and all(rank["matched"]) for rank in notes)
    assert not set(notes[0]["first"]) & set(notes[1]["first"])


def test_two_ranks_fit_their_start_to_the_same_sample(ranks: Path) -> None:
    notes = [json.loads((ranks / f"{rank}.json").read_text()) for rank in range(2)]
    assert notes[0]["sample"] == notes[1]["sample"]
    assert all(rank["sample matched"] for rank in notes)
