"""The adversarial losses of a generator and its critics."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch.nn import functional

from wespe.method import Losses


class Game(NamedTuple):
    """One kind of adversarial loss. Each function maps logits to unreduced losses.

    generator: the generator's loss on its fake logits.
    real, fake: the critic's losses on real and fake logits.
    border: the critic classifies logits above it as target and below it as enhanced.
    """

    generator: Callable[[torch.Tensor], torch.Tensor]
    real: Callable[[torch.Tensor], torch.Tensor]
    fake: Callable[[torch.Tensor], torch.Tensor]
    border: float


GAMES: dict[str, Game] = {
    # Non-saturating −log D(G(x)), and the critic's cross-entropy (eqs. 3 and 4, Ignatov et al. 2018).
    "log": Game(
        generator=lambda logits: functional.softplus(-logits),
        real=lambda logits: functional.softplus(-logits),
        fake=functional.softplus,
        border=0.0,
    ),
    # Lim & Ye 2017, Miyato et al. 2018: samples that are classified correctly by a margin of 1 cost nothing.
    "hinge": Game(
        generator=lambda logits: -logits,
        real=lambda logits: functional.relu(1 - logits),
        fake=lambda logits: functional.relu(1 + logits),
        border=0.0,
    ),
    # log(1 − D(G(x))), as in DPED's code. Its gradient vanishes while the critic is confident.
    "saturating": Game(
        generator=lambda logits: -functional.softplus(logits),
        real=lambda logits: functional.softplus(-logits),
        fake=functional.softplus,
        border=0.0,
    ),
    # Arjovsky et al. 2017: logits are unbounded scores. The method must add a gradient penalty.
    "wasserstein": Game(
        generator=lambda logits: -logits,
        real=lambda logits: -logits,
        fake=lambda logits: logits,
        border=0.0,
    ),
    # Mao et al. 2017, with labels 1 (real) and 0 (fake).
    "least_squares": Game(
        generator=lambda logits: (logits - 1).square(),
        real=lambda logits: (logits - 1).square(),
        fake=torch.square,
        border=0.5,
    ),
}


@dataclass(frozen=True, kw_only=True)
class AdversarialConfig:
    """Settings of the adversarial losses; the defaults are the paper's.

    loss: a key of GAMES.
    reduction: how the generator's loss is reduced over the batch: "sum" as in eqs. 3 and 4, or "mean", which
        is smaller by a factor of the batch size. The critics' losses are always means.
    r1: weight of the R1 gradient penalty on target photos; 0 disables it.
    r1_every: apply R1 every so many steps, multiplied by that number (lazy regularisation).
    """

    loss: Literal["log", "saturating", "hinge", "least_squares", "wasserstein"] = "log"
    reduction: Literal["sum", "mean"] = "sum"
    r1: float = 0.0
    r1_every: int = 16

    def __post_init__(self) -> None:
        if self.r1 < 0:
            raise ValueError(f"r1 must be at least 0, not {self.r1}")
        if self.r1_every < 1:
            raise ValueError(f"r1_every must be at least 1, not {self.r1_every}")


class Adversary:
    """Computes adversarial losses as configured."""

    def __init__(self, config: AdversarialConfig):
        self.config = config
        self.game = GAMES[config.loss]

    def weights(self, critic: str) -> dict[str, float]:
        """Return the weights of the losses that `critic_losses` returns."""
        return {f"{critic}_critic": 1.0, f"{critic}_r1": self.config.r1}

    def generator_loss(self, logits: torch.Tensor, total: int) -> torch.Tensor:
        """Compute the generator's loss from fake logits (n,).

        total: source photos in this step over all workers.
        """
        scale = total if self.config.reduction == "sum" else 1
        return scale * self.game.generator(logits.float()).mean()

    def penalises(self, step: int) -> bool:
        """Tell whether R1 is applied in this step; the critic's views must then require gradients."""
        return self.config.r1 > 0 and step % self.config.r1_every == 0

    def critic_losses(self, critic: str, logits: torch.Tensor, real: int, views: torch.Tensor) -> Losses:
        """Compute a critic's loss, its accuracy and, if `views` require gradients, its R1 penalty.

        logits: (n,) or (n, places). The first `real` rows belong to target photos.
        views: the critic's input, (n, channels, h, w).
        """
        logits = logits.float()
        game, reals, fakes = self.game, logits[:real], logits[real:]
        losses = {
            f"{critic}_critic": game.real(reals).mean() + game.fake(fakes).mean(),
            f"{critic}_accuracy": _accuracy(reals.detach(), fakes.detach(), game.border),
        }
        if views.requires_grad:
            losses[f"{critic}_r1"] = self.config.r1_every * gradient_penalty(reals, views, real)
        return losses


def gradient_penalty(logits: torch.Tensor, views: torch.Tensor, real: int) -> torch.Tensor:
    """R1: half the squared gradient of real logits with respect to views (Mescheder et al. 2018, eq. 9).

    logits: (real,), or (real, places), which is averaged per photo, so that R1 does not depend on its size.
    """
    return 0.5 * squared_gradients(logits, views)[:real].mean()


def squared_gradients(logits: torch.Tensor, views: torch.Tensor) -> torch.Tensor:
    """Return ‖∇C(v)‖² of each view, (n,), differentiable.

    logits: (n,), or (n, places), which is averaged per photo.
    """
    per_photo = logits.float().flatten(1).mean(1) if logits.ndim > 1 else logits.float()
    [gradient] = torch.autograd.grad(per_photo.sum(), views, create_graph=True)
    return gradient.float().flatten(1).square().sum(1)


def _accuracy(real: torch.Tensor, fake: torch.Tensor, border: float) -> torch.Tensor:
    return ((real > border).float().mean() + (fake < border).float().mean()) / 2
