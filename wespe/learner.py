"""One method and its optimisers: learn from a batch, say what was lost, save and load exactly."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from wespe.batch import Batch
from wespe.method import Method, Networks

Wrap = Callable[[nn.Module], nn.Module]
Gather = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class LearnerConfig:
    """Adam for every group of networks.

    ema_decay: of the moving average of the generator that is what users get; 0, the paper's, keeps none.
    """

    learning_rate: float = 5e-4
    ema_decay: float = 0.0

    def __post_init__(self) -> None:
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be above 0, not {self.learning_rate}")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must be at least 0 and below 1, not {self.ema_decay}")


class NonFiniteLoss(ArithmeticError):
    """A loss became NaN or infinite; names the turn, the term and the step it happened at."""

    def __init__(self, term: str, step: int):
        super().__init__(f"the loss {term} is not finite at step {step}")


class Learner:
    """Drives any Method, on one process or on many.

    wrap: makes the workers' gradients of a module agree, such as DistributedDataParallel.
    gather: stacks a vector of every worker, (n,) → (workers, n).
    Nothing in `learn` waits for the device; `read_losses` does, once per call.
    """

    def __init__(
        self,
        method: Method,
        config: LearnerConfig,
        wrap: Wrap = lambda module: module,
        gather: Gather = lambda values: values[None],
    ):
        self._gather = gather
        self.method = method
        self.config = config
        self.step = 0
        self._wrapped = {name: wrap(group) for name, group in method.networks.items()}
        self._optimisers = {
            name: torch.optim.Adam(group.parameters(), lr=config.learning_rate)
            for name, group in method.networks.items()
        }
        self._average = copy.deepcopy(method.generator) if config.ema_decay else None
        self._sums: dict[str, torch.Tensor] = {}
        self._bad_step: dict[str, torch.Tensor] = {}
        self._summed_steps = 0

    @property
    def generator(self) -> nn.Module:
        """What users get: the moving average of the generator, or the generator itself."""
        return self.method.generator if self._average is None else self._average

    def learn(self, batch: Batch) -> None:
        """Take one step: render once, then every turn in order."""
        turns = self.method.turns
        networks = self._hand_to(turns[0].learns)
        scene = self.method.render(networks, batch)
        for turn in turns:
            networks = self._hand_to(turn.learns)
            losses = turn.losses(networks, scene)
            optimiser = self._optimisers[turn.learns]
            optimiser.zero_grad(set_to_none=True)
            torch.stack([turn.weights[name] * loss for name, loss in losses.items()]).sum().backward()
            optimiser.step()
            for name, loss in losses.items():
                self._note(f"{turn.learns}/{name}", loss.detach())
        self.step += 1
        self._summed_steps += 1
        self._follow()

    def read_losses(self) -> dict[str, float]:
        """Mean of every unweighted loss since the last call, over all workers, by `turn/term`.

        Raises NonFiniteLoss, on every worker if on any.
        """
        names = list(self._sums)
        own = torch.stack([*self._sums.values(), *self._bad_step.values()])
        everyone = self._gather(own).cpu()
        sums, bad_steps = (
            everyone.mean(dim=0)[: len(names)].tolist(),
            everyone.amin(dim=0)[len(names) :].tolist(),
        )
        for name, bad_step in zip(names, bad_steps, strict=True):
            if bad_step < torch.inf:
                raise NonFiniteLoss(name, int(bad_step))
        means = {name: total / self._summed_steps for name, total in zip(names, sums, strict=True)}
        self._sums, self._bad_step, self._summed_steps = {}, {}, 0
        return means

    def _hand_to(self, learns: str) -> Networks:
        """Only the group that learns gathers gradients, and only it comes wrapped."""
        for name, group in self.method.networks.items():
            group.requires_grad_(name == learns)
        return {**self.method.networks, learns: self._wrapped[learns]}

    def _note(self, name: str, loss: torch.Tensor) -> None:
        if name not in self._sums:
            self._sums[name] = torch.zeros_like(loss, dtype=torch.float64)
            self._bad_step[name] = torch.full_like(loss, torch.inf, dtype=torch.float64)
        self._sums[name] += loss
        bad_step = torch.where(torch.isfinite(loss), torch.inf, float(self.step))
        self._bad_step[name] = torch.minimum(self._bad_step[name], bad_step)

    def _follow(self) -> None:
        """Let the average follow the generator; early on it forgets faster, so that it never lags."""
        if self._average is None:
            return
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for average, current in zip(
                self._average.parameters(), self.method.generator.parameters(), strict=True
            ):
                average.lerp_(current, 1 - decay)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Everything that the next step depends on, as flat tensors, so that no pickle is needed."""
        state = {f"networks/{k}": v for k, v in self.method.networks.state_dict().items()}
        if self._average is not None:
            state |= {f"average/{k}": v for k, v in self._average.state_dict().items()}
        for group, optimiser in self._optimisers.items():
            for index, slots in optimiser.state_dict()["state"].items():
                state |= {f"optimiser/{group}/{index}/{slot}": value for slot, value in slots.items()}
        return state | {"step": torch.tensor(self.step)}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Go on exactly where `state_dict` was taken. Raises KeyError, RuntimeError when it does not fit."""
        self.method.networks.load_state_dict(_under("networks/", state))
        if self._average is not None:
            self._average.load_state_dict(_under("average/", state))
        for group, optimiser in self._optimisers.items():
            slots: dict[int, dict[str, torch.Tensor]] = {}
            for key, value in _under(f"optimiser/{group}/", state).items():
                index, slot = key.split("/")
                slots.setdefault(int(index), {})[slot] = value
            optimiser.load_state_dict({**optimiser.state_dict(), "state": slots})
        self.step = int(state["step"])


def _under(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
