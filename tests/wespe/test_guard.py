"""A training that goes wrong ends in a usable model or in a clear error, never in silent garbage."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data

from wespe.adversarial import AdversarialConfig
from wespe.batch import Batch, photos_nchw
from wespe.guard import DivergenceError, Guard, GuardConfig
from wespe.learner import Learner, LearnerConfig
from wespe.losses import psnr_db
from wespe.methods import build_method
from wespe.methods.wespe import LossWeights, WespeConfig
from wespe.networks.critic import CriticConfig
from wespe.networks.features import ContentConfig
from wespe.networks.resnet import ResNetConfig
from wespe.optimisers import OptimiserConfig
from wespe.training import Record, train

SIZE = 32
FAITHFUL = WespeConfig(
    generator=ResNetConfig(width=8, blocks=1),
    critic=CriticConfig(width=0.25),
    content=ContentConfig(layers={"relu1_1": 1.0}, weights="random"),
)
STABLE = replace(
    FAITHFUL,
    generator=ResNetConfig(width=8, blocks=1, norm="none", output="residual"),
    critic=CriticConfig(width=0.25, norm="none", spectral_norm=True),
    adversarial=AdversarialConfig(loss="hinge", reduction="mean"),
    weights=LossWeights(colour=1.0, texture=0.1, direct=0.5),
)
WATCHFUL = GuardConfig(min_psnr_db=12, rollbacks=3)


def batches(seed: int = 0) -> Iterator[Batch]:
    """Pieces of two photographs: a dark cup for the camera, a bright cat for the target."""
    rng = np.random.default_rng(seed)
    photos = [(data.coffee() * 0.6).astype(np.uint8), data.chelsea()]
    while True:
        yield Batch(*(photos_nchw(pieces(photo, rng), "cpu") for photo in photos), total=4)


def pieces(photo: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
    places = zip(*(rng.integers(0, side - SIZE, 4) for side in photo.shape[:2]), strict=True)
    return torch.from_numpy(np.stack([photo[y : y + SIZE, x : x + SIZE] for y, x in places]))


def config_of(learning_rate: float = 5e-4, critics: float | None = None, **settings) -> LearnerConfig:
    """The paper's Adam at this rate, and the critics' at another where one is given."""
    others = {} if critics is None else {"critics": OptimiserConfig(learning_rate=critics)}
    return LearnerConfig(
        optimiser=OptimiserConfig(learning_rate=learning_rate), optimisers=others, **settings
    )


def start(config: WespeConfig, guard: GuardConfig, **settings) -> tuple[Learner, Guard]:
    torch.manual_seed(0)
    learner = Learner(build_method(config, size_px=SIZE), config_of(**settings))
    return learner, Guard(guard, learner)


def run(learner: Learner, guard: Guard, steps: int = 60, seed: int = 0) -> list[Record]:
    return list(train(learner, batches(seed), guard, steps=steps, due=lambda step: step % 10 == 0))


def test_a_hundredfold_rate_ends_in_a_usable_model_or_in_an_error() -> None:
    """Of the stable setting; it rolls back on the way, and says so."""
    learner, guard = start(STABLE, WATCHFUL, learning_rate=1e-2, critics=4e-2, ema_decay=0.9)
    records = run(learner, guard)
    rolled_back = [record for record in records if "rolled_back" in record]
    assert rolled_back
    assert guard.rollbacks == len(rolled_back)
    source = torch.cat([batch.source for batch, _ in zip(batches(7), range(20), strict=False)])
    with torch.no_grad():
        assert psnr_db(learner.generator(source), source).item() > 11.5  # 12 on the last batch


@pytest.mark.parametrize(("config", "rate"), [(FAITHFUL, 0.5), (STABLE, 50.0)], ids=["faithful", "stable"])
def test_without_roll_backs_a_divergence_is_an_error_that_names_fault_and_step(
    config: WespeConfig, rate: float
) -> None:
    learner, guard = start(config, GuardConfig(min_psnr_db=14), learning_rate=rate)
    with pytest.raises(DivergenceError, match=r"(at step \d+, below 14|not finite at step \d+)$"):
        run(learner, guard)


def test_a_loss_that_is_not_finite_rolls_back_too_and_leaves_finite_weights() -> None:
    learner, guard = start(STABLE, WATCHFUL)
    batch = next(batches())
    learner.learn(batch)
    guard.read(last=False)
    good = {name: value.clone() for name, value in learner.weights().items()}
    learner.learn(replace(batch, source=batch.source * torch.nan))
    said = guard.read(last=False)
    assert said["rolled_back"] == "the loss generators/content is not finite at step 1"
    assert said["slowed"] == pytest.approx(0.3)
    assert all(torch.equal(value, good[name]) for name, value in learner.weights().items())


@pytest.mark.parametrize("network", ["generators.degrade", "critics.texture"])
def test_weights_that_broke_after_the_losses_were_known_are_not_kept(network: str) -> None:
    """The last update before a reading shows in no loss yet."""
    learner, guard = start(STABLE, WATCHFUL)
    learner.learn(next(batches()))
    next(learner.method.networks.get_submodule(network).parameters()).data.fill_(torch.nan)
    assert guard.read(last=False)["rolled_back"] == "a network's weights or output are not finite at step 1"
    assert learner.is_finite()


def test_a_floor_of_zero_disables_the_check() -> None:
    """PSNR falls below 0 where outputs are not bound to 0–1."""
    learner, guard = start(STABLE, GuardConfig(min_psnr_db=0))
    learner.method.generator.tail[-1].bias.data.fill_(1e5)
    learner.learn(next(batches()))
    assert guard.read(last=True)["psnr_to_source"] < 0


def test_a_critic_that_is_always_right_rolls_back_if_asked_to() -> None:
    learner, guard = start(STABLE, replace(WATCHFUL, max_critic_accuracy=0.51))
    assert "accuracy is" in next(r for r in run(learner, guard) if "rolled_back" in r)["rolled_back"]


@pytest.mark.parametrize("rollbacks", [0, 3])
def test_a_model_that_never_reaches_the_floor_fails(rollbacks: int) -> None:
    """The paper's network starts at grey: below the floor it may begin, but not end."""
    learner, guard = start(FAITHFUL, GuardConfig(min_psnr_db=60, rollbacks=rollbacks), learning_rate=1e-5)
    with pytest.raises(DivergenceError, match=r"dB from their originals at step 20, below 60"):
        run(learner, guard, steps=20)


def test_after_the_last_roll_back_the_run_stops() -> None:
    learner, guard = start(
        STABLE, GuardConfig(min_psnr_db=12, rollbacks=1, slow_down=0.99), learning_rate=5e-1
    )
    with pytest.raises(DivergenceError, match=r"after 1 roll-backs$"):
        run(learner, guard, steps=200)


@pytest.mark.parametrize("cut", [10, 40])
def test_a_run_resumed_anywhere_is_bit_exact_including_roll_backs(cut: int) -> None:
    settings = {"learning_rate": 1e-2, "critics": 4e-2, "ema_decay": 0.9}
    whole, whole_guard = start(STABLE, WATCHFUL, **settings)
    run(whole, whole_guard)
    first, first_guard = start(STABLE, WATCHFUL, **settings)
    run_to(first, first_guard, cut)
    second, second_guard = start(STABLE, WATCHFUL, **settings)
    second.load_state_dict(clones(first.state_dict()))
    second_guard.load_state_dict(first_guard.state_dict())
    stream = batches()
    for _ in range(cut):
        next(stream)
    for _ in train(second, stream, second_guard, steps=60, due=lambda step: step % 10 == 0):
        pass
    assert second_guard.rollbacks == whole_guard.rollbacks > 0
    assert all(torch.equal(value, whole.state_dict()[name]) for name, value in second.state_dict().items())


def run_to(learner: Learner, guard: Guard, cut: int) -> None:
    """Stop at a record, as a killed run does that was saved there."""
    for record in train(learner, batches(), guard, steps=60, due=lambda step: step % 10 == 0):
        if record["step"] == cut:
            return


def clones(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in state.items()}
