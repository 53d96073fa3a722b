"""What generator and critics lose, against float64 numpy, written out here a second time."""

import numpy as np
import pytest
import torch

from wespe.adversarial import GAMES, AdversarialConfig, Adversary, gradient_penalty

REAL, FAKE = np.array([0.5, -1.0, 3.0]), np.array([2.0, -2.0, 0.1])


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


BY_HAND = {
    "log": (
        -np.log(sigmoid(FAKE)).mean(),
        -np.log(sigmoid(REAL)).mean() - np.log(1 - sigmoid(FAKE)).mean(),
    ),
    "hinge": (-FAKE.mean(), np.maximum(0, 1 - REAL).mean() + np.maximum(0, 1 + FAKE).mean()),
    "saturating": (
        np.log(1 - sigmoid(FAKE)).mean(),
        -np.log(sigmoid(REAL)).mean() - np.log(1 - sigmoid(FAKE)).mean(),
    ),
    "wasserstein": (-FAKE.mean(), FAKE.mean() - REAL.mean()),
    "least_squares": (((FAKE - 1) ** 2).mean(), ((REAL - 1) ** 2).mean() + (FAKE**2).mean()),
}


def logits() -> torch.Tensor:
    return torch.tensor(np.concatenate([REAL, FAKE]))


@pytest.mark.parametrize("name", GAMES)
def test_each_game_is_its_equation(name: str) -> None:
    adversary = Adversary(AdversarialConfig(loss=name, reduction="mean"))
    generator, critic = BY_HAND[name]
    assert adversary.generator_loss(torch.tensor(FAKE), total=3).item() == pytest.approx(generator, rel=1e-6)
    judged = adversary.critic_losses("colour", logits(), len(REAL), torch.zeros(6, 1, 2, 2))
    assert judged["colour_critic"].item() == pytest.approx(critic, rel=1e-6)


def test_the_sum_over_the_batch_is_the_mean_times_the_step_s_photos() -> None:
    """Eqs. 3 and 4 sum: at batch 30 the adversarial terms weigh thirty times more."""
    fake = torch.tensor(FAKE)
    means = Adversary(AdversarialConfig(reduction="mean")).generator_loss(fake, total=30)
    sums = Adversary(AdversarialConfig(reduction="sum")).generator_loss(fake, total=30)
    assert sums.item() == pytest.approx(30 * means.item())


def test_the_generator_still_learns_when_the_critic_is_sure() -> None:
    """The saturating form, log(1 − D), would have a gradient near zero here."""
    sure = torch.tensor([-20.0], requires_grad=True)
    GAMES["log"].generator(sure).sum().backward()
    assert sure.grad is not None
    assert sure.grad.item() == pytest.approx(-1, abs=1e-6)


@pytest.mark.parametrize(("name", "right"), [("log", 2 + 1), ("hinge", 2 + 1), ("least_squares", 1 + 2)])
def test_accuracy_is_the_share_on_the_right_side_of_the_border(name: str, right: int) -> None:
    """0.5 is a target photo's logit above 0, not above 0.5; 0.1 an enhanced one's below 0.5, not below 0."""
    adversary = Adversary(AdversarialConfig(loss=name))
    judged = adversary.critic_losses("colour", logits(), len(REAL), torch.zeros(6, 1, 2, 2))
    assert judged["colour_accuracy"].item() == pytest.approx(right / 6)


def test_the_penalty_is_half_the_squared_gradient_of_target_photos_only() -> None:
    """Of the critic w·v the gradient is w, whatever the photo."""
    views = torch.rand(5, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(1, 4, 4, dtype=torch.float64, requires_grad=True)
    verdicts = (views * weight).sum(dim=(1, 2, 3)) * torch.tensor([1, 1, 1, 9, 9])  # the last two are fakes
    penalty = gradient_penalty(verdicts[:3], views, real=3)
    assert penalty.item() == pytest.approx(0.5 * weight.square().sum().item())
    penalty.backward()
    torch.testing.assert_close(weight.grad, weight.detach())


@pytest.mark.parametrize("side", [4, 8])
def test_the_penalty_of_a_critic_of_places_does_not_grow_with_the_patch(side: int) -> None:
    """Each place's logit is 2 · (mean of its 4×4 cell): the photo's logit is 2 · its mean."""
    views = torch.rand(3, 1, side, side, dtype=torch.float64, requires_grad=True)
    places = 2 * torch.nn.functional.avg_pool2d(views, 4).flatten(1)
    squared = (2 / side**2) ** 2 * side**2
    assert gradient_penalty(places, views, real=3).item() == pytest.approx(0.5 * squared)


def test_the_lazy_penalty_counts_for_the_steps_between() -> None:
    adversary = Adversary(AdversarialConfig(r1=1.0, r1_every=4))
    assert [step for step in range(9) if adversary.penalises(step)] == [0, 4, 8]
    views = torch.rand(6, 1, 2, 2, requires_grad=True)
    judged = adversary.critic_losses("colour", views.sum(dim=(1, 2, 3)), 3, views)
    assert judged["colour_r1"].item() == pytest.approx(4 * 0.5 * 4)
    assert "colour_r1" not in adversary.critic_losses("colour", logits(), 3, views.detach())
