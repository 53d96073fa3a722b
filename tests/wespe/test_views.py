"""What the critics are shown: the right blur, the right grey."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from wespe.views import BlurConfig, colour_view, gaussian_kernel, texture_view


def test_colour_view_is_a_gaussian_of_sigma_3_that_keeps_brightness() -> None:
    photo = np.random.default_rng(0).random((1, 3, 48, 50)).astype(np.float32)
    kernel = gaussian_kernel(BlurConfig())
    # scipy's "mirror" is torch's "reflect"; truncate 10/3 gives 21 taps.
    expected = gaussian_filter(photo[0], sigma=(0, 3, 3), mode="mirror", truncate=10 / 3)
    view = colour_view(torch.from_numpy(photo), kernel)
    assert kernel.sum().item() == pytest.approx(1)
    np.testing.assert_allclose(view[0].numpy(), expected, atol=1e-5)


def test_the_amplitude_that_the_paper_prints_makes_photos_three_times_as_bright() -> None:
    """Eq. 2 taken literally: A = 0.053 = 1/(2π·3), where σ² belongs in the denominator."""
    kernel = gaussian_kernel(BlurConfig(amplitude=0.053))
    k, m = np.mgrid[-10:11, -10:11]
    by_hand = (0.053 * np.exp(-(k**2 + m**2) / (2 * 9))).sum()
    grey = torch.full((1, 3, 32, 32), 0.2)
    assert by_hand == pytest.approx(2.994, abs=0.003)
    assert colour_view(grey, kernel).mean().item() == pytest.approx(0.2 * by_hand, rel=1e-5)


def test_colour_view_hides_texture() -> None:
    """A pixel checkerboard, the finest texture there is, must look grey to the colour critic."""
    board = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(24, 24).expand(1, 3, 48, 48)
    assert colour_view(board, gaussian_kernel(BlurConfig())).sub(0.5).abs().max() < 1e-3


def test_texture_view_is_luma() -> None:
    photo = torch.tensor([1.0, 0.5, 0.25]).view(1, 3, 1, 1)
    assert texture_view(photo).item() == pytest.approx(0.299 + 0.587 * 0.5 + 0.114 * 0.25)
