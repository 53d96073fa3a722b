"""What the contract of wespe/method.py promises to methods that are not shaped like WESPE."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from wespe.adversarial import squared_gradients
from wespe.batch import Batch
from wespe.generator import Generator
from wespe.guard import Guard, GuardConfig
from wespe.learner import Learner, LearnerConfig
from wespe.method import Losses, Method, Networks, Turn
from wespe.optimisers import OptimiserConfig

SIZE, CRITIC_TURNS, POOL = 16, 5, 6
ADAM = OptimiserConfig(learning_rate=1e-3, betas=(0.0, 0.9))


class Enhancer(Generator):
    """With a batch norm, whose statistics a user needs."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1)
        )

    def forward(self, photos_nchw, decision=None, place=None) -> torch.Tensor:
        return photos_nchw + 0.1 * self.layers(photos_nchw)


class Trial(Method):
    """Five WGAN-GP critic turns before the generator's, an adaptive weight, batch norm, a pool of images."""

    pool: torch.Tensor
    pooled: torch.Tensor
    penalty: torch.Tensor

    def __init__(self, turns: str = "critic first"):
        super().__init__()
        self.networks = nn.ModuleDict(
            {
                "critic": nn.Sequential(nn.Conv2d(3, 8, 4, 2), nn.LeakyReLU(0.2), nn.Conv2d(8, 1, 4, 2)),
                "generator": Enhancer(),
            }
        )
        self.renders = "generator"
        self.register_buffer("pool", torch.zeros(POOL, 3, SIZE, SIZE))
        self.register_buffer("pooled", torch.zeros((), dtype=torch.long))
        self.register_buffer("penalty", torch.tensor(10.0))
        critic = Turn("critic", self.critic_losses, {"wgan": 1.0, "penalty": 1.0}, repeats=CRITIC_TURNS)
        generator = Turn("generator", self.generator_losses, {"fool": 1.0})
        if turns == "generator every fifth":
            critic, generator = replace(critic, repeats=1), replace(generator, every=CRITIC_TURNS)
        self.turns = (critic, generator)

    @property
    def generator(self) -> Generator:
        return self.networks["generator"]  # type: ignore[return-value]

    def render(self, networks: Networks, batch: Batch) -> Any:
        return batch, networks["generator"](batch.source)

    def critic_losses(self, networks: Networks, scene: Any) -> Losses:
        """One call on real, fake and interpolated photos; λ follows the slope."""
        batch, enhanced = scene
        fake = self.exchanged(enhanced.detach(), batch.random)
        shares = torch.rand(len(fake), 1, 1, 1, generator=batch.random)
        between = torch.lerp(batch.target, fake, shares).requires_grad_()
        scores = networks["critic"](torch.cat([batch.target, fake, between])).flatten(1)
        real, faked, scored = scores.split([len(batch.target), len(fake), len(between)])
        slopes = squared_gradients(scored, between).sqrt()
        self.penalty.mul_(1.01 if slopes.detach().mean() > 1 else 0.99)
        return {
            "wgan": faked.mean() - real.mean(),
            "penalty": self.penalty.clone() * (slopes - 1).square().mean(),
            "critic_accuracy": ((real > 0).float().mean() + (faked < 0).float().mean()) / 2,
        }

    def generator_losses(self, networks: Networks, scene: Any) -> Losses:
        return {"fool": -networks["critic"](scene[1]).mean()}

    @torch.no_grad()
    def exchanged(self, fakes: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        """Show the critic older fakes as well (Shrivastava et al. 2017, §2.3)."""
        places = torch.randperm(POOL, generator=random)[: len(fakes)]  # distinct: threads must not race
        older = torch.where((places < self.pooled)[:, None, None, None], self.pool[places], fakes)
        self.pool[places] = fakes
        self.pooled.fill_(POOL)
        return older


def learner(turns: str = "critic first", **settings: Any) -> Learner:
    torch.manual_seed(0)
    config = LearnerConfig(optimiser=ADAM, precision="fp32", **settings)
    return Learner(Trial(turns), config, seed=3, steps=20)


def batch(seed: int) -> Batch:
    random = torch.Generator().manual_seed(seed)
    source, target = torch.rand(2, 4, 3, SIZE, SIZE, generator=random)
    return Batch(0.5 * source, target, total=4)


def run(one: Learner, steps: range) -> Learner:
    for step in steps:
        one.learn(batch(step))
    return one


def test_a_turn_that_repeats_reports_means_over_its_calls() -> None:
    """Five critic turns a step once gave an accuracy of 2.5, which the guard reads."""
    losses = run(learner(), range(3)).read_losses()
    assert 0 <= losses["critic/critic_accuracy"] <= 1


def test_a_critic_may_learn_first_from_photos_that_carry_the_generators_gradients() -> None:
    one = learner()
    before = {name: value.clone() for name, value in one.method.networks.named_parameters()}
    run(one, range(1))
    still = {n for n, value in one.method.networks.named_parameters() if torch.equal(value, before[n])}
    # A batch norm takes the bias before it away, and a difference of means the last one.
    assert still <= {"generator.layers.0.bias", "critic.2.bias"}


def test_a_turn_every_fifth_step_is_taken_then_and_only_then() -> None:
    one = learner("generator every fifth")
    moved = []
    for step in range(7):
        before = one.method.generator.layers[0].weight.clone()
        one.learn(batch(step))
        moved.append(not torch.equal(before, one.method.generator.layers[0].weight))
        assert ("generator/fool" in one.read_losses()) == moved[-1]
    assert moved == [True, False, False, False, False, True, False]


@pytest.mark.parametrize("turns", ["critic first", "generator every fifth"])
def test_a_resumed_training_is_bit_exact_with_what_the_method_remembers_and_draws(turns: str) -> None:
    straight = run(learner(turns, ema_decay=0.9), range(8))
    cut = run(learner(turns, ema_decay=0.9), range(3))
    resumed = learner(turns, ema_decay=0.9)
    resumed.load_state_dict(load(save({k: v.contiguous() for k, v in cut.state_dict().items()})))
    run(resumed, range(3, 8))
    expected, state = straight.state_dict(), resumed.state_dict()
    assert {"memory/pool", "memory/penalty"} <= expected.keys()
    assert expected.keys() == state.keys()
    assert [name for name in expected if not torch.equal(expected[name], state[name])] == []


def test_the_guard_rolls_back_what_the_method_remembers() -> None:
    one = run(learner(), range(2))
    guard = Guard(GuardConfig(min_psnr_db=0, rollbacks=1), one)
    before = one.method.penalty.clone()
    one.method.penalty.fill_(99)
    one.learn(replace(batch(2), source=batch(2).source * torch.nan))
    assert "rolled_back" in guard.read(last=False)
    assert torch.equal(one.method.penalty, before)


def test_the_final_model_has_batch_norm_statistics() -> None:
    one = run(learner(ema_decay=0.9), range(3))
    norms = [generator.layers[1] for generator in (one.generator, one.method.generator)]
    assert one.generator is not one.method.generator
    assert norms[1].running_mean.abs().max() > 0
    assert torch.equal(norms[0].running_mean, norms[1].running_mean)
    assert int(norms[0].num_batches_tracked) == int(norms[1].num_batches_tracked) == 3


def test_reading_losses_does_not_change_batch_norm() -> None:
    one = run(learner(), range(2))
    before = one.generator.layers[1].running_mean.clone()
    one.read_losses()
    assert torch.equal(before, one.generator.layers[1].running_mean)
    assert one.generator.training


@dataclass(frozen=True)
class BatchOfFilms(Batch):
    """A batch with a field more."""

    depth: torch.Tensor = field(default_factory=lambda: torch.zeros(1))


def test_a_further_field_of_a_batch_reaches_the_method() -> None:
    one = learner()
    seen: list[Batch] = []
    render = one.method.render
    one.method.render = lambda networks, batch: (seen.append(batch), render(networks, batch))[1]  # type: ignore[method-assign]
    plain = batch(0)
    one.learn(BatchOfFilms(plain.source, plain.target, 4, depth=torch.full((4, 1, 2, 2), 7.0)))
    assert seen[0].depth.mean() == 7  # type: ignore[attr-defined]
    assert seen[0].step == 0


def test_a_group_that_the_method_lacks_is_named_with_those_it_has() -> None:
    with pytest.raises(ValueError, match=r"no group 'critics'; it has critic, generator"):
        learner(optimisers={"critics": ADAM})


@pytest.mark.parametrize("kind", ["adam", "adamw", "rmsprop", "sgd"])
def test_every_optimiser_learns_and_resumes_bit_for_bit(kind: str) -> None:
    config = OptimiserConfig(kind=kind, learning_rate=1e-3, schedule="cosine", warmup_steps=2, clip_norm=1.0)
    straight = run(learner(optimisers={"generator": config}), range(4))
    cut = run(learner(optimisers={"generator": config}), range(2))
    resumed = learner(optimisers={"generator": config})
    resumed.load_state_dict({name: value.clone() for name, value in cut.state_dict().items()})
    run(resumed, range(2, 4))
    expected, state = straight.state_dict(), resumed.state_dict()
    assert [name for name in expected if not torch.equal(expected[name], state[name])] == []


def test_schedules_warm_up_and_fall_to_zero() -> None:
    def rates(schedule: Any) -> list[float]:
        config = OptimiserConfig(learning_rate=1.0, schedule=schedule, warmup_steps=2)
        return [config.rate(step, 6) for step in range(7)]

    assert rates("constant") == [0.5, 1, 1, 1, 1, 1, 1]
    assert rates("linear") == pytest.approx([0.5, 1, 1, 0.75, 0.5, 0.25, 0])
    assert rates("cosine") == pytest.approx([0.5, 1, 1, 0.854, 0.5, 0.146, 0], abs=1e-3)


def test_clipping_bounds_what_one_step_can_move() -> None:
    """By plain gradient descent at rate 1 a step is as long as its gradient."""
    config = OptimiserConfig(kind="sgd", learning_rate=1.0, clip_norm=1e-3)
    one = learner(optimisers={"generator": config})
    before = torch.cat([p.detach().flatten().clone() for p in one.method.generator.parameters()])
    one.learn(batch(0))
    after = torch.cat([p.detach().flatten() for p in one.method.generator.parameters()])
    assert 0 < (after - before).norm().item() <= 1.001e-3


def test_a_method_with_batch_norm_exports_what_users_get(tmp_path: Path) -> None:
    """ONNX gives what torch gives, from the statistics that were learned."""
    pytest.importorskip("onnxscript")
    from pipeline.models.model_folder import Model
    from pipeline.models.onnx_model import TOLERANCE_LEVELS, export_model

    generator = run(learner(ema_decay=0.9), range(3)).generator.eval().requires_grad_(False)
    exported = export_model(
        Model(generator, {"camera": "trial", "method": {"name": "trial"}}, "5ea1"), tmp_path / "trial.onnx"
    )
    assert all(found.levels < TOLERANCE_LEVELS for found in exported.differences)
