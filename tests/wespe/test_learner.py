"""The loop around any method: who learns when, exact resume, no silent NaN."""

import shutil

import pytest
import torch
from safetensors.torch import load, save

from wespe.batch import Batch
from wespe.learner import Learner, LearnerConfig, NonFiniteLoss
from wespe.method import Method
from wespe.methods import build_method
from wespe.methods.srcnn import SrcnnConfig
from wespe.methods.wespe import WespeConfig
from wespe.networks.critic import CriticConfig
from wespe.networks.features import ContentConfig
from wespe.networks.resnet import ResNetConfig
from wespe.optimisers import OptimiserConfig

CONFIG = WespeConfig(
    generator=ResNetConfig(width=4, blocks=1),
    critic=CriticConfig(width=0.1),
    content=ContentConfig(layers={"relu1_2": 1.0}, weights="random"),
)


def config_of(learning_rate: float = 5e-4, critics: float | None = None, **settings) -> LearnerConfig:
    """The paper's Adam at this rate, and the critics' at another where one is given."""
    others = {} if critics is None else {"critics": OptimiserConfig(learning_rate=critics)}
    return LearnerConfig(
        optimiser=OptimiserConfig(learning_rate=learning_rate), optimisers=others, **settings
    )


def learner(seed: int = 0, config: WespeConfig = CONFIG, **settings) -> Learner:
    torch.manual_seed(seed)
    return Learner(build_method(config, size_px=32), config_of(**settings))


def batch(seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    source, target = torch.rand(2, 4, 3, 32, 32, generator=generator)
    return Batch(source, target, total=4)


def rates(one: Learner) -> dict[str, float]:
    """The learning rates of the last step."""
    return {name: optimiser.param_groups[0]["lr"] for name, optimiser in one._optimisers.items()}


def state_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in module.state_dict().items()}


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {k for k in before if not torch.equal(before[k], after[k])}


def test_a_step_moves_every_network() -> None:
    one = learner()
    before = state_of(one.method.networks)
    one.learn(batch(0))
    moved = {name.rsplit(".", 1)[0] for name in changed(before, one.method.networks.state_dict())}
    for part in ("generators.enhance", "generators.degrade", "critics.colour", "critics.texture"):
        assert any(name.startswith(part) for name in moved), part


def test_frozen_features_never_learn() -> None:
    one = learner()
    before = state_of(one.method.features)
    one.learn(batch(0))
    assert not changed(before, one.method.features.state_dict())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["CPU's", "CUDA's"])
def test_a_resumed_learner_is_bit_exact(layout: torch.memory_format) -> None:
    def learner(seed: int = 0) -> Learner:
        torch.manual_seed(seed)
        one = Learner(build_method(CONFIG, size_px=32), LearnerConfig(ema_decay=0.9))
        one.method.to(memory_format=layout)
        return one

    straight, cut = learner(), learner()
    for step in range(4):
        straight.learn(batch(step))
    for step in range(2):
        cut.learn(batch(step))
    saved = save({name: value.contiguous() for name, value in cut.state_dict().items()})
    resumed = learner(seed=9)
    resumed.load_state_dict(load(saved))
    for step in range(2, 4):
        resumed.learn(batch(step))
    assert resumed.step == 4
    assert not changed(straight.state_dict(), resumed.state_dict())


def test_the_average_lags_behind_the_generator_and_is_what_users_get() -> None:
    one = learner(ema_decay=0.5)
    start = state_of(one.method.generator)
    for step in range(3):
        one.learn(batch(step))
    name = "tail.4.bias"
    now, average = one.method.generator.state_dict()[name], one.generator.state_dict()[name]
    assert one.generator is not one.method.generator
    assert ((average - start[name]).abs() < (now - start[name]).abs()).all()


def test_a_loss_that_is_not_finite_is_named_with_its_turn_and_step() -> None:
    one = learner()
    one.learn(batch(0))
    one.learn(Batch(torch.full((4, 3, 32, 32), torch.nan), batch(1).target, total=4))
    one.learn(batch(2))
    with pytest.raises(NonFiniteLoss, match=r"generators/content is not finite at step 1$"):
        one.read_losses()


def test_losses_are_means_over_the_steps_since_the_last_reading() -> None:
    one = learner(learning_rate=1e-12)
    one.learn(batch(0))
    first = one.read_losses()
    one.learn(batch(0))
    one.learn(batch(0))
    assert one.read_losses() == pytest.approx(first, rel=1e-4)


def test_two_time_scales_give_critics_a_rate_of_their_own() -> None:
    one = learner(learning_rate=1e-4, critics=4e-4)
    one.learn(batch(0))
    assert rates(one) == {"generators": 1e-4, "critics": 4e-4}
    one.slow_down(0.5)
    one.learn(batch(1))
    assert rates(one) == {"generators": 5e-5, "critics": 2e-4}


def test_a_slowed_learner_is_still_slow_after_a_resume() -> None:
    slow, resumed = learner(), learner()
    slow.slow_down(0.25)
    slow.learn(batch(0))
    resumed.load_state_dict(load(save(slow.state_dict())))
    resumed.learn(batch(1))
    assert rates(resumed)["critics"] == 0.25 * 5e-4


def test_bfloat16_losses_match_float32_within_two_percent() -> None:
    """Networks of the paper's widths, at the start and after ten steps; weights stay in float32."""
    config = WespeConfig(content=ContentConfig(layers={"relu3_1": 1.0}, weights="random"))
    losses = {}
    for precision in ("fp32", "bf16"):
        one = learner(config=config, precision=precision, learning_rate=1e-5)
        one.learn(batch(0))
        losses[precision] = [one.read_losses()]
        for step in range(1, 11):
            one.learn(batch(step))
        losses[precision].append(one.read_losses())
        assert all(p.dtype == torch.float32 for p in one.method.parameters())
    for exact, rough in zip(losses["fp32"], losses["bf16"], strict=True):
        for name, value in exact.items():
            if not name.endswith("_accuracy"):
                assert rough[name] == pytest.approx(value, rel=0.02, abs=1e-5), name


def test_the_same_seed_gives_the_same_weights_in_bfloat16_too() -> None:
    first, second = learner(precision="bf16"), learner(precision="bf16")
    for step in range(2):
        first.learn(batch(step))
        second.learn(batch(step))
    assert not changed(first.state_dict(), second.state_dict())


def test_a_snapshot_is_not_modified_by_later_steps() -> None:
    """The guard goes back to the same weights more than once."""
    one = learner(ema_decay=0.5)
    one.learn(batch(0))
    good = {name: value.clone() for name, value in one.weights().items()}
    kept = {name: value.clone() for name, value in good.items()}
    for step in (1, 2):
        one.load_weights(good)
        one.learn(batch(step))
    assert not changed(kept, good)


@pytest.mark.skipif(not shutil.which("c++"), reason="torch.compile needs a C++ compiler on a CPU")
@pytest.mark.engine
def test_a_compiled_step_learns_the_same() -> None:
    batches = [batch(0), batch(1)]
    plain, compiled = (
        Learner(method(), config_of(learning_rate=1e-3, compile=compile)) for compile in (False, True)
    )
    for one in batches:
        plain.learn(one)
        compiled.learn(one)
    assert compiled.read_losses() == pytest.approx(plain.read_losses(), rel=1e-4)
    assert compiled.weights().keys() == plain.weights().keys()  # a checkpoint fits both


def method() -> Method:
    torch.manual_seed(0)
    return build_method(SrcnnConfig(), size_px=32)
