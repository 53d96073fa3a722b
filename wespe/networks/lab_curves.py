"""Curves of lightness and chroma in CIELab (piecewise colour enhancer, Deng et al. 2018, §3.2.1)."""

from typing import NamedTuple

import torch

from wespe.lab import lab_of, rgb_of

SOFT = 1 / 256  # share of a curve's part within which its slope at the beginning is limited
LIGHTNESS, CHROMA = 100.0, 128.0  # what L is divided by; a and b are −CHROMA … CHROMA


class LabCurves(NamedTuple):
    """Parameters of each photo, (n,): 0 ≤ b < a ≤ ½, p ≥ 1, 0 < q ≤ 1; alpha and beta below ½.

    The identity is b = 0, p = q = 1, alpha = beta = 0, with any a.
    """

    a: torch.Tensor
    b: torch.Tensor
    p: torch.Tensor
    q: torch.Tensor
    alpha: torch.Tensor
    beta: torch.Tensor

    def apply(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        """Apply the curves to photos or tiles, float 0–1 (eq. 4)."""
        a, b, p, q, alpha, beta = (value.view(-1, 1, 1) for value in self)
        light, green_red, blue_yellow = lab_of(photos_nchw).unbind(1)
        curved = torch.stack(
            [
                LIGHTNESS * lightness_curve(light / LIGHTNESS, a, b, p, q),
                CHROMA * (2 * chroma_curve((green_red / CHROMA + 1) / 2, alpha) - 1),
                CHROMA * (2 * chroma_curve((blue_yellow / CHROMA + 1) / 2, beta) - 1),
            ],
            dim=1,
        )
        return rgb_of(curved)


def lightness_curve(
    m: torch.Tensor, a: torch.Tensor, b: torch.Tensor, p: torch.Tensor, q: torch.Tensor
) -> torch.Tensor:
    """T_L(m), 0–1: 0 up to b, a·x^p from b to a, m from a to 1 − a, 1 − a + a·x^q up to 1 − b, then 1.

    x is the place within the part, 0–1. The equation's k₁ and k₂ are a·(a − b)^−p and a·(a − b)^−q.
    """
    dark = a * _power(((m - b) / (a - b)).clamp(0, 1), p)
    bright = 1 - a + a * _power(((m - (1 - a)) / (a - b)).clamp(0, 1), q)
    return torch.where(m <= a, dark, torch.where(m <= 1 - a, m, bright))


def chroma_curve(m: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """T_A(m) and T_B(m), 0–1: (m − α) / (1 − 2α), clipped. A negative α makes colours paler."""
    return ((m - alpha) / (1 - 2 * alpha)).clamp(0, 1)


def _power(x: torch.Tensor, exponent: torch.Tensor) -> torch.Tensor:
    """x^exponent for x 0–1, with its ends kept, and without the infinite slope that it has at 0 below 1."""
    least = torch.as_tensor(SOFT).to(x) ** exponent
    return ((x + SOFT) ** exponent - least) / ((1 + SOFT) ** exponent - least)
