"""Gradient penalties of Wasserstein critics, and the adaptive weight of A-WGAN (Chen et al. 2018).

Another weight, that of the slides on DACAL, is in `wespe/lipschitz.py`.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from wespe.adversarial import squared_gradients

FACTOR = 2.0


@dataclass(frozen=True, kw_only=True)
class PenaltyConfig:
    """The defaults are the paper's.

    weight: λ at the start.
    window: number of critic steps over which the penalty is averaged.
    lower, upper: where the average is below or above, λ is halved or doubled. The paper states them as
        gradients, 1.001 and 1.05; the penalty is what exceeds 1.
    """

    weight: float = 10.0
    window: int = 50
    lower: float = 0.001
    upper: float = 0.05

    def __post_init__(self) -> None:
        if self.weight <= 0:
            raise ValueError(f"weight must be above 0, not {self.weight}")
        if self.window < 1:
            raise ValueError(f"window must be at least 1, not {self.window}")
        if not 0 <= self.lower < self.upper:
            raise ValueError(f"lower and upper must be 0 ≤ lower < upper, not {self.lower} and {self.upper}")


def gradient_norms(scores: torch.Tensor, views: torch.Tensor) -> torch.Tensor:
    """Return ‖∇C(v)‖₂ of each view, (n,), differentiable. Where it is 0, its own gradient is 0."""
    return squared_gradients(scores, views).clamp(min=1e-12).sqrt()


def one_sided_penalty(norms: torch.Tensor) -> torch.Tensor:
    """Mean max(0, ‖∇C‖ − 1): slopes of at most 1 cost nothing."""
    return functional.relu(norms - 1).mean()


def two_sided_penalty(norms: torch.Tensor) -> torch.Tensor:
    """Mean (‖∇C‖ − 1)²: any slope other than 1 costs (WGAN-GP, Gulrajani et al. 2017)."""
    return (norms - 1).square().mean()


def between(real: torch.Tensor, fake: torch.Tensor, random: torch.Generator | None) -> torch.Tensor:
    """Return photos at random places on the lines between real and fake ones (Gulrajani et al. 2017)."""
    shares = torch.rand(len(real), 1, 1, 1, device=real.device, generator=random)
    return torch.lerp(real, fake, shares).requires_grad_()


class AdaptiveWeight(nn.Module):
    """λ of each of several critics, kept in buffers.

    weight: (critics,). recent: (window, critics), the last penalties. seen: (critics,), how many since λ last
    changed.
    """

    weight: torch.Tensor
    recent: torch.Tensor
    seen: torch.Tensor

    def __init__(self, config: PenaltyConfig, critics: int):
        super().__init__()
        self.config = config
        self.register_buffer("weight", torch.full((critics,), float(config.weight)))
        self.register_buffer("recent", torch.zeros(config.window, critics))
        self.register_buffer("seen", torch.zeros(critics, dtype=torch.long))

    @torch.no_grad()
    def adapt(self, penalties: torch.Tensor) -> None:
        """Note the critics' penalties (critics,), and change λ where the moving average is out of bounds.

        After a change, the average begins anew: the old penalties are those of the old λ.
        """
        config = self.config
        self.recent.copy_(torch.cat([self.recent[1:], penalties[None]]))
        self.seen.add_(1)
        known, average = self.seen >= config.window, self.recent.mean(0)
        above, below = known & (average > config.upper), known & (average < config.lower)
        self.weight.mul_(torch.where(above, FACTOR, torch.where(below, 1 / FACTOR, 1.0)))
        self.seen.mul_(~(above | below))
