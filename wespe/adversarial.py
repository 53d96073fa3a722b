"""The game between a generator and its critics: what each of them loses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch.nn import functional

from wespe.method import Losses


class Game(NamedTuple):
    """generator: fake logits → losses. critic: real, fake logits → losses. Nothing is reduced.

    border: the logit between "enhanced" below and "target" above.
    """

    generator: Callable[[torch.Tensor], torch.Tensor]
    real: Callable[[torch.Tensor], torch.Tensor]
    fake: Callable[[torch.Tensor], torch.Tensor]
    border: float


GAMES: dict[str, Game] = {
    # −log D(G(x)), the non-saturating form, and the cross-entropy of telling real from fake
    # (eqs. 3 and 4, §3.2, §3.3, Ignatov et al. 2018).
    "log": Game(
        generator=lambda logits: functional.softplus(-logits),
        real=lambda logits: functional.softplus(-logits),
        fake=functional.softplus,
        border=0.0,
    ),
    # Lim & Ye 2017, Miyato et al. 2018: a critic stops learning from what it judges right by a margin of 1.
    "hinge": Game(
        generator=lambda logits: -logits,
        real=lambda logits: functional.relu(1 - logits),
        fake=lambda logits: functional.relu(1 + logits),
        border=0.0,
    ),
    # log(1 − D(G(x))), as DPED's code has it: the generator learns little while the critic is sure.
    "saturating": Game(
        generator=lambda logits: -functional.softplus(logits),
        real=lambda logits: functional.softplus(-logits),
        fake=functional.softplus,
        border=0.0,
    ),
    # Arjovsky et al. 2017: logits are scores without bounds; the critic needs a gradient penalty of its own.
    "wasserstein": Game(
        generator=lambda logits: -logits,
        real=lambda logits: -logits,
        fake=lambda logits: logits,
        border=0.0,
    ),
    # Mao et al. 2017 with targets 1 and 0.
    "least_squares": Game(
        generator=lambda logits: (logits - 1).square(),
        real=lambda logits: (logits - 1).square(),
        fake=torch.square,
        border=0.5,
    ),
}


@dataclass(frozen=True, kw_only=True)
class AdversarialConfig:
    """The defaults are the paper's.

    loss: a key of GAMES; "log" is the paper's.
    reduction: of the generators' loss over the batch: "sum" as in eqs. 3 and 4, or "mean", which is weaker
        by the batch size. Critics always take the mean.
    r1: factor of the gradient penalty on target photos; 0, the paper's, leaves it out.
    r1_every: steps from one penalty to the next; each counts for all of them.
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
    """The losses of one game."""

    def __init__(self, config: AdversarialConfig):
        self.config = config
        self.game = GAMES[config.loss]

    def weights(self, critic: str) -> dict[str, float]:
        """The factors of what `judge` returns."""
        return {f"{critic}_critic": 1.0, f"{critic}_r1": self.config.r1}

    def fool(self, logits: torch.Tensor, total: int) -> torch.Tensor:
        """What the generator loses on its fake logits (n,), of a step of `total` photos over all workers."""
        scale = total if self.config.reduction == "sum" else 1
        return scale * self.game.generator(logits.float()).mean()

    def penalises(self, step: int) -> bool:
        """Whether this step takes the lazy penalty: its views must then require gradients."""
        return self.config.r1 > 0 and step % self.config.r1_every == 0

    def judge(self, critic: str, logits: torch.Tensor, real: int, views: torch.Tensor) -> Losses:
        """What a critic loses on logits (n,) or (n, places), and how often it is right.

        real: how many, at the front, are of target photos.

        views: what it looked at; with gradients where the penalty is due.
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
    """R1: half the squared gradient of real logits by their views (Mescheder et al. 2018, eq. 9).

    logits: (real,), or (real, places): the gradient is that of each photo's mean, whatever its size.
    """
    return 0.5 * squared_gradients(logits, views)[:real].mean()


def squared_gradients(logits: torch.Tensor, views: torch.Tensor) -> torch.Tensor:
    """‖∇C(v)‖² of each view, (n,), differentiable.

    logits: (n,), or (n, places), of which each photo's mean counts.
    """
    per_photo = logits.float().flatten(1).mean(1) if logits.ndim > 1 else logits.float()
    [gradient] = torch.autograd.grad(per_photo.sum(), views, create_graph=True)
    return gradient.float().flatten(1).square().sum(1)


def _accuracy(real: torch.Tensor, fake: torch.Tensor, border: float) -> torch.Tensor:
    return ((real > border).float().mean() + (fake < border).float().mean()) / 2
