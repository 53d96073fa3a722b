"""Each equation against float64 numpy, written out here a second time."""

import numpy as np
import pytest
import torch

from wespe.losses import adversarial_loss, content_loss, critic_loss, total_variation_loss

random = np.random.default_rng(0)


def tensor(values: np.ndarray) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_content_is_the_squared_distance_over_chw_averaged_over_the_batch() -> None:
    a, b = random.normal(size=(2, 3, 4, 5, 6))
    by_hand = np.mean([((x - y) ** 2).sum() / (4 * 5 * 6) for x, y in zip(a, b, strict=True)])
    assert content_loss(tensor(a), tensor(b)).item() == pytest.approx(by_hand)


def test_adversarial_is_minus_log_d() -> None:
    logits = np.array([-3.0, 0.0, 2.0])
    d = 1 / (1 + np.exp(-logits))
    assert adversarial_loss(tensor(logits)).item() == pytest.approx(-np.log(d).mean())


def test_adversarial_still_teaches_when_the_critic_is_sure() -> None:
    """The saturating form, log(1 − D), would have a gradient near zero here."""
    logits = torch.tensor([-20.0], requires_grad=True)
    adversarial_loss(logits).backward()
    assert logits.grad is not None
    assert logits.grad.item() == pytest.approx(-1, abs=1e-6)


def test_critic_is_the_cross_entropy_of_real_and_fake() -> None:
    real, fake = np.array([0.5, -1.0]), np.array([2.0, -2.0, 0.1])
    d = [1 / (1 + np.exp(-x)) for x in (real, fake)]
    by_hand = -np.log(d[0]).mean() - np.log(1 - d[1]).mean()
    assert critic_loss(tensor(real), tensor(fake)).item() == pytest.approx(by_hand)


def test_total_variation_is_the_mean_squared_difference_along_x_and_y() -> None:
    photos = random.random((2, 3, 5, 7))
    by_hand = np.mean(np.diff(photos, axis=3) ** 2) + np.mean(np.diff(photos, axis=2) ** 2)
    assert total_variation_loss(tensor(photos)).item() == pytest.approx(by_hand)
