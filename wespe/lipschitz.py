"""The adaptive weight of the gradient penalty that keeps critics 1-Lipschitz (AdaSWGAN).

After the adaptive weight of Deep Photo Enhancer (Chen et al., CVPR 2018), in the form of the slides on DACAL
(Huang et al. 2019), "Adaptive SWGAN loss".
"""

from dataclasses import dataclass

import torch
from torch import nn

from wespe.penalty import FACTOR


@dataclass(frozen=True, kw_only=True)
class LipschitzConfig:
    """Settings of the penalty. The slides print no values.

    weight: λ at the start, and its smallest value. Below the distance between both sets, the critics' scores
        would grow without limit; at 64 px, 50 suffices for photos that differ by 0.45 everywhere.
    smoothing: η, how much of the moving average of ‖∇C‖ is kept in each critic step.
    lower, upper: λ is halved where the average is below, and doubled where it is above.
    patience: smallest number of critic steps between two changes of λ.
    """

    weight: float = 50.0
    smoothing: float = 0.99
    lower: float = 1.001
    upper: float = 1.05
    patience: int = 50

    def __post_init__(self) -> None:
        if self.weight <= 0:
            raise ValueError(f"weight must be above 0, not {self.weight}")
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"smoothing must be at least 0 and below 1, not {self.smoothing}")
        if not 0 <= self.lower < self.upper:
            raise ValueError(f"lower and upper must be 0 ≤ lower < upper, not {self.lower} and {self.upper}")
        if self.patience < 1:
            raise ValueError(f"patience must be at least 1, not {self.patience}")


class LipschitzWeight(nn.Module):
    """λ of each of several critics, from a moving average of their gradient norms; all in buffers.

    weight, average, waited: (critics,): λ, the average of ‖∇C‖, and critic steps since λ last changed.
    """

    weight: torch.Tensor
    average: torch.Tensor
    waited: torch.Tensor

    def __init__(self, config: LipschitzConfig, critics: int):
        super().__init__()
        self.config = config
        self.register_buffer("weight", torch.full((critics,), float(config.weight)))
        self.register_buffer("average", torch.ones(critics))
        self.register_buffer("waited", torch.zeros(critics, dtype=torch.long))

    @torch.no_grad()
    def adapt(self, norms: torch.Tensor) -> None:
        """Average the critics' gradient norms (critics,); change λ where the average is out of bounds.

        After a change, the average begins anew at 1: the old gradients are those of the old λ.
        """
        config = self.config
        self.average.lerp_(norms, 1 - config.smoothing)
        self.waited.add_(1)
        ready = self.waited >= config.patience
        above, below = ready & (self.average > config.upper), ready & (self.average < config.lower)
        self.weight.mul_(torch.where(above, FACTOR, torch.where(below, 1 / FACTOR, 1.0)))
        self.weight.clamp_(min=config.weight)
        self.waited.mul_(~(above | below))
        self.average.masked_fill_(above | below, 1.0)
