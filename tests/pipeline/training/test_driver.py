"""Training by the real Ray Train: two ranks that agree."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from wespe.batch import Batch
from wespe.learner import Learner, LearnerConfig
from wespe.methods import build_method
from wespe.methods.wespe import WespeConfig
from wespe.networks.critic import CriticConfig
from wespe.networks.features import ContentConfig
from wespe.networks.resnet import ResNetConfig

METHOD = WespeConfig(
    generator=ResNetConfig(width=4, blocks=1),
    critic=CriticConfig(width=0.1),
    content=ContentConfig(layers={"relu1_2": 1.0}, weights="random"),
)
LEARNER = LearnerConfig(ema_decay=0.5)
TOTAL, SIZE = 8, 32


def batch(step: int, part: slice) -> Batch:
    source, target = torch.rand(2, TOTAL, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(step))
    return Batch(source[part], target[part], TOTAL)


def learner(wrap: Any = lambda module: module, gather: Any = lambda values: values[None]) -> Learner:
    torch.manual_seed(0)
    return Learner(build_method(METHOD, size_px=SIZE), LEARNER, wrap, gather)


def half_a_batch_on_each_rank(config: dict[str, str]) -> None:
    """Runs inside a Ray Train worker."""
    from safetensors.torch import save_file

    from pipeline.training.ray_context import RayContext

    context = RayContext(batch_size=TOTAL, size_px=SIZE)
    one = learner(context.wrap, context.gather)
    share = TOTAL // context.workers
    for step in range(2):
        one.learn(batch(step, slice(context.rank * share, (context.rank + 1) * share)))
    losses = {name: torch.tensor(value) for name, value in one.read_losses().items()}
    save_file(one.state_dict() | losses, Path(config["folder"]) / f"{context.rank}.safetensors")


@pytest.mark.usefixtures("ray_session")
def test_two_workers_learn_what_one_learns_from_the_joined_batch(tmp_path: Path) -> None:
    """Eqs. 3 and 4 sum over the batch, DDP averages over the workers: the scale must come out right."""
    from ray import cloudpickle
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    # Workers cannot import a test module: its functions travel by value.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    TorchTrainer(
        half_a_batch_on_each_rank,
        train_loop_config={"folder": str(tmp_path)},
        scaling_config=ScalingConfig(num_workers=2),
        run_config=RunConfig(name="pair", storage_path=str(tmp_path)),
    ).fit()
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())

    alone = learner()
    for step in range(2):
        alone.learn(batch(step, slice(None)))
    for name, value in alone.read_losses().items():
        assert first[name].item() == pytest.approx(value, rel=1e-3), name
    for name, value in alone.state_dict().items():
        if name.startswith("networks/"):
            torch.testing.assert_close(first[name], value, atol=5e-4, rtol=1e-2)
