"""One function per equation of Ignatov et al. 2018; every result is a scalar."""

import torch
from torch.nn import functional


def content_loss(features: torch.Tensor, reconstructed: torch.Tensor) -> torch.Tensor:
    """Squared feature distance over C·H·W, averaged over the batch (eq. 1)."""
    return (features - reconstructed).square().mean()


def adversarial_loss(fake_logits: torch.Tensor) -> torch.Tensor:
    """−log D(G(x)), averaged over the batch (eqs. 3 and 4, which sum: see `WespeConfig.adversarial`)."""
    return functional.softplus(-fake_logits).mean()


def critic_loss(real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of telling target photos from enhanced ones, averaged over the batch (§3.2, §3.3)."""
    return functional.softplus(-real_logits).mean() + functional.softplus(fake_logits).mean()


def total_variation_loss(photos_nchw: torch.Tensor) -> torch.Tensor:
    """Mean squared x-differences + mean squared y-differences (eq. 5, as everyone reads it)."""
    dx = photos_nchw[..., :, 1:] - photos_nchw[..., :, :-1]
    dy = photos_nchw[..., 1:, :] - photos_nchw[..., :-1, :]
    return dx.square().mean() + dy.square().mean()
