"""One function per equation; each returns a scalar, at least float32. Adversarial losses: adversarial.py."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

EDGE_POWER, LEAST_EDGE = 1.2, 1e-4  # θ and ε, Wang et al. 2019
LEAST_TONE = 1e-4  # 0–1; keeps logarithms and angles of black finite


@dataclass(frozen=True, kw_only=True)
class NonNegative:
    """Weights of a method's losses. Raises ValueError if one is negative."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0:
                raise ValueError(f"{name} must be at least 0, not {value}")


def content_loss(
    features: Sequence[torch.Tensor], others: Sequence[torch.Tensor], weights: Iterable[float]
) -> torch.Tensor:
    """Squared feature distance over C·H·W, averaged over the batch (eq. 1, Ignatov et al. 2018).

    features, others: (n, c, h, w) per layer. The result is the weighted sum over layers.
    """
    layers = zip(weights, features, others, strict=True)
    return torch.stack([weight * squared_error(a, b) for weight, a, b in layers]).sum()


def gram_loss(
    features: Sequence[torch.Tensor], others: Sequence[torch.Tensor], weights: Iterable[float]
) -> torch.Tensor:
    """Squared Frobenius distance of Gram matrices, mean over the batch (eqs. 3, 4, Johnson et al. 2016).

    features, others: (n, c, h, w) per layer. The result is the weighted sum over layers.
    """
    layers = zip(weights, features, others, strict=True)
    return torch.stack(
        [weight * (gram(a) - gram(b)).square().sum((1, 2)).mean() for weight, a, b in layers]
    ).sum()


def gram(features: torch.Tensor) -> torch.Tensor:
    """Return products of channels, summed over places, over C·H·W: (n, c, h, w) → (n, c, c), float32."""
    with torch.autocast(features.device.type, enabled=False):
        flat = features.float().flatten(2)
        return flat @ flat.mT / flat[0].numel()


def squared_error(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Mean squared difference."""
    return (a - b).float().square().mean() if a.dtype.itemsize < 4 else (a - b).square().mean()


def colour_loss(blurred: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """‖X_b − Y_b‖² of blurred photos, summed over C·H·W, averaged over the batch (DPED, colour loss)."""
    return (blurred - others).square().sum(dim=(1, 2, 3)).mean()


def identity_loss(photos_nchw: torch.Tensor, enhanced: torch.Tensor) -> torch.Tensor:
    """Mean |G(y) − y|: the generator should not change target photos (Zhu et al. 2017, §5.2)."""
    return (photos_nchw - enhanced).abs().mean()


def total_variation_loss(photos_nchw: torch.Tensor) -> torch.Tensor:
    """Mean squared x-differences + mean squared y-differences (eq. 5, as all implementations read it)."""
    dx = photos_nchw[..., :, 1:] - photos_nchw[..., :, :-1]
    dy = photos_nchw[..., 1:, :] - photos_nchw[..., :-1, :]
    return dx.square().mean() + dy.square().mean()


def uneven_illumination_loss(illumination: torch.Tensor, photos_nchw: torch.Tensor) -> torch.Tensor:
    """Squared differences of neighbouring illumination, with little weight at a photo's edges.

    Σ_c ω_x (∂_x S)² + ω_y (∂_y S)² with ω = (|∂L|^θ + ε)^-1, where L is the photo's logarithm per channel,
    averaged over pixels and photos (smoothness loss, Wang et al. 2019).
    """
    logarithm = (photos_nchw + LEAST_TONE).log()
    weighted = [
        illumination.diff(dim=axis).square() / (logarithm.diff(dim=axis).abs() ** EDGE_POWER + LEAST_EDGE)
        for axis in (3, 2)
    ]
    return torch.stack([term.sum(1).mean() for term in weighted]).sum()


def colour_angle(photos_nchw: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Angle in radians between each pixel's colours, as vectors, (n, h, w) (colour loss, Wang et al. 2019).

    By the tangent: the cosine has no slope where colours agree. Black agrees with all colours.
    """
    across = torch.linalg.vector_norm(torch.linalg.cross(photos_nchw, others, dim=1), dim=1)
    return torch.atan2(across, (photos_nchw * others).sum(1) + LEAST_TONE)


@torch.no_grad()
def psnr_db(photos_nchw: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """PSNR of photos 0–1 in dB, at most 100, averaged over the batch. For monitoring only: no gradients."""
    errors = (photos_nchw - others).square().mean(dim=(1, 2, 3)).clamp(min=1e-10)
    return (-10 * errors.log10()).mean()
