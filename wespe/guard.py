"""Watches the training: after a fault it restores the last good weights and lowers the learning rates."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from wespe.learner import PSNR, Learner, NonFiniteLoss
from wespe.method import State


@dataclass(frozen=True, kw_only=True)
class GuardConfig:
    """When training counts as faulty, and how to react. A loss that is not finite is always a fault.

    min_psnr_db: lowest PSNR between photos and their enhanced versions; below it, colours are lost or
        inverted. Training fails if it ends below it. If the PSNR was above and falls below, the guard rolls
        back. 0 disables the check.
    max_critic_accuracy: highest accuracy of a critic, 0.5–1; above it the generator gets no useful gradients.
        1 disables the check.
    rollbacks: maximum number of roll-backs; with 0 a fault ends the training.
    slow_down: factor on all learning rates after each roll-back.
    """

    min_psnr_db: float = 6.0
    max_critic_accuracy: float = 1.0
    rollbacks: int = 0
    slow_down: float = 0.3

    def __post_init__(self) -> None:
        if self.min_psnr_db < 0:
            raise ValueError(f"min_psnr_db must be at least 0, not {self.min_psnr_db}")
        if not 0.5 < self.max_critic_accuracy <= 1:
            raise ValueError(
                f"max_critic_accuracy must be above 0.5 and at most 1, not {self.max_critic_accuracy}"
            )
        if self.rollbacks < 0:
            raise ValueError(f"rollbacks must be at least 0, not {self.rollbacks}")
        if not 0 < self.slow_down < 1:
            raise ValueError(f"slow_down must be above 0 and below 1, not {self.slow_down}")


class DivergenceError(ArithmeticError):
    """Training diverged and no roll-backs are left; names the fault and the step."""


class Guard:
    """Checks a learner's losses and rolls back after a fault. Its state is part of the checkpoint."""

    def __init__(self, config: GuardConfig, learner: Learner):
        self.config, self.learner = config, learner
        self.rollbacks = 0
        self.reached = False  # whether min_psnr_db has been reached
        self._good = self._snapshot()

    def read(self, *, last: bool) -> dict[str, float | str]:
        """Return the mean losses since the last call, by term; after a fault, what was done about it.

        The weights are good when this returns, so they can be saved.

        last: whether training ends here.
        Raises DivergenceError.
        """
        try:
            figures = _by_term(self.learner.read_losses())
            fault = self._fault(figures, last)
        except NonFiniteLoss as error:
            fault = str(error)
        if not fault:
            self._good = self._snapshot()
            return dict(figures)
        if self.rollbacks == self.config.rollbacks or (last and not self.reached):
            again = f", after {self.rollbacks} roll-backs" if self.rollbacks else ""
            raise DivergenceError(f"{fault}{again}")
        self.rollbacks += 1
        self.learner.load_weights(self._good)
        self.learner.slow_down(self.config.slow_down)
        return {"rolled_back": fault, "slowed": self.learner.slowed}

    def remember(self) -> None:
        """Store the current weights as good ones."""
        self._good = self._snapshot()

    def state_dict(self) -> State:
        """Return the guard's state; the learner's state is saved separately."""
        return {"rollbacks": torch.tensor(self.rollbacks), "reached": torch.tensor(self.reached)}

    def load_state_dict(self, state: State) -> None:
        """Restore the state. The learner must be restored first."""
        self.rollbacks, self.reached = int(state["rollbacks"]), bool(state["reached"])
        self._good = self._snapshot()

    def _snapshot(self) -> State:
        if not self.config.rollbacks:
            return {}
        return {name: value.detach().clone() for name, value in self.learner.weights().items()}

    def _fault(self, figures: Mapping[str, float], last: bool) -> str:
        step, floor, ceiling = self.learner.step, self.config.min_psnr_db, self.config.max_critic_accuracy
        psnr = figures[PSNR]
        if not (math.isfinite(psnr) and self.learner.is_finite()):
            return f"a network's weights or output are not finite at step {step}"
        if floor and psnr < floor and (last or (self.reached and self.config.rollbacks)):
            return f"enhanced photos are {psnr:.1f} dB from their originals at step {step}, below {floor:g}"
        self.reached = self.reached or not floor or psnr >= floor
        for name, value in figures.items():
            if name.endswith("_accuracy") and value > ceiling:
                return f"{name} is {value:.3f} at step {step}, above {ceiling:g}"
        return ""


def _by_term(losses: Mapping[str, float]) -> dict[str, float]:
    """Turn the keys `turn/term` into `term`."""
    terms = {name.partition("/")[2]: value for name, value in losses.items()}
    assert len(terms) == len(losses), f"two turns use the same name for a loss: {sorted(losses)}"
    return terms
