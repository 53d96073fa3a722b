"""Each equation against float64 numpy, written out here a second time, and its gradient against slopes."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from wespe.losses import (
    colour_loss,
    content_loss,
    identity_loss,
    psnr_db,
    squared_error,
    total_variation_loss,
)

random = np.random.default_rng(0)


def tensor(values: np.ndarray) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_content_is_the_squared_distance_over_chw_averaged_over_the_batch() -> None:
    a, b = random.normal(size=(2, 3, 4, 5, 6))
    by_hand = np.mean([((x - y) ** 2).sum() / (4 * 5 * 6) for x, y in zip(a, b, strict=True)])
    assert content_loss([tensor(a)], [tensor(b)], [1.0]).item() == pytest.approx(by_hand)


def test_content_of_several_layers_is_their_weighted_sum() -> None:
    shallow, deep = random.normal(size=(2, 3, 4, 5, 6)), random.normal(size=(2, 3, 8, 2, 2))
    by_hand = 0.25 * np.mean((shallow[0] - shallow[1]) ** 2) + 3 * np.mean((deep[0] - deep[1]) ** 2)
    layers = [[tensor(shallow[i]), tensor(deep[i])] for i in range(2)]
    assert content_loss(*layers, [0.25, 3.0]).item() == pytest.approx(by_hand)


def test_colour_is_summed_over_pixels_and_averaged_over_the_batch() -> None:
    a, b = random.random((2, 2, 3, 5, 7))
    by_hand = ((a - b) ** 2).sum() / 2
    assert colour_loss(tensor(a), tensor(b)).item() == pytest.approx(by_hand)


def test_identity_is_the_mean_absolute_difference() -> None:
    a, b = random.random((2, 2, 3, 5, 7))
    assert identity_loss(tensor(a), tensor(b)).item() == pytest.approx(np.abs(a - b).mean())


def test_total_variation_is_the_mean_squared_difference_along_x_and_y() -> None:
    photos = random.random((2, 3, 5, 7))
    by_hand = np.mean(np.diff(photos, axis=3) ** 2) + np.mean(np.diff(photos, axis=2) ** 2)
    assert total_variation_loss(tensor(photos)).item() == pytest.approx(by_hand)


def test_squared_error_of_bfloat16_is_added_up_in_float32() -> None:
    """In bfloat16 itself a sum stops growing after 256 equal terms."""
    a = torch.ones(100_000, dtype=torch.bfloat16)
    loss = squared_error(a, a * 0)
    assert loss.dtype == torch.float32
    assert loss.item() == 1


def test_psnr_is_of_each_photo_and_bounded_for_equal_ones() -> None:
    a, b = random.random((2, 2, 3, 5, 7))
    by_hand = np.mean([10 * np.log10(1 / np.mean((x - y) ** 2)) for x, y in zip(a, b, strict=True)])
    assert psnr_db(tensor(a), tensor(b)).item() == pytest.approx(by_hand)
    assert psnr_db(tensor(a), tensor(a)).item() == pytest.approx(100)


@pytest.mark.parametrize(
    "loss",
    [
        lambda x, y: content_loss([x], [y], [2.0]),
        colour_loss,
        identity_loss,
        squared_error,
        lambda x, y: total_variation_loss(x),
    ],
)
def test_gradients_are_the_slopes(loss: Callable[..., torch.Tensor]) -> None:
    x, y = tensor(random.random((2, 2, 3, 4, 5)))
    assert torch.autograd.gradcheck(lambda z: loss(z, y), x.requires_grad_())
