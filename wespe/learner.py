"""One method and its optimisers: learn from a batch, say what was lost, save and load exactly."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Literal

import torch
from torch import nn

from wespe.batch import Batch
from wespe.losses import psnr_db
from wespe.method import Gather, Method, Networks

Wrap = Callable[[nn.Module], nn.Module]
State = dict[str, torch.Tensor]

CRITICS = ("critic", "critics")
PSNR = "psnr_to_source"


@dataclass(frozen=True, kw_only=True)
class LearnerConfig:
    """Adam for every group of networks.

    critic_learning_rate: two time scales (Heusel et al. 2017); None, the paper's, is learning_rate.
    ema_decay: of the moving average of the generator that is what users get; 0, the paper's, keeps none.
    precision: "bf16" computes convolutions and products in bfloat16, twice as fast where the processor
        has it; weights, losses and views stay in float32, and so does the enhancing of photos.
    compile: let torch.compile fuse the generators; a minute at the start, and a C++ compiler on a CPU.
    """

    learning_rate: float = 5e-4
    critic_learning_rate: float | None = None
    ema_decay: float = 0.0
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False

    def __post_init__(self) -> None:
        for name in ("learning_rate", "critic_learning_rate"):
            rate = getattr(self, name)
            if rate is not None and rate <= 0:
                raise ValueError(f"{name} must be above 0, not {rate}")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must be at least 0 and below 1, not {self.ema_decay}")

    def rate(self, group: str) -> float:
        """The learning rate of a group of networks."""
        return self.critic_learning_rate or self.learning_rate if group in CRITICS else self.learning_rate


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
        self.slowed = 1.0
        self._device = next(method.generator.parameters()).device
        # Tensor cores want channels last; CPUs were a little faster without.
        self._format = torch.channels_last if self._device.type == "cuda" else torch.contiguous_format
        method.to(memory_format=self._format)  # type: ignore[call-overload]
        if config.compile:
            for module in method.compilable:
                module.compile()
        self._wrapped = {name: wrap(group) for name, group in method.networks.items()}
        self._optimisers = {
            name: torch.optim.Adam(group.parameters(), lr=config.rate(name), fused=True)
            for name, group in method.networks.items()
        }
        self._average = copy.deepcopy(method.generator) if config.ema_decay else None
        self._sums: State = {}
        self._bad_step: State = {}
        self._summed_steps = 0

    @property
    def generator(self) -> nn.Module:
        """What users get: the moving average of the generator, or the generator itself."""
        return self.method.generator if self._average is None else self._average

    def prepare(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Let the method fit its start to the first batches; return all of them, to be learned from as well.

        The stream thus stays where the step says: a training that is resumed need not have seen the first.
        """
        if self.step or not self.method.first_patches:
            return batches
        first = next(batches)
        more = -(-self.method.first_patches // first.total) - 1
        seen = [first, *islice(batches, more)]
        self.method.prepare(seen, self._gather)
        if self._average is not None:
            self._average.load_state_dict(self.method.generator.state_dict())
        return chain(seen, batches)

    def learn(self, batch: Batch) -> None:
        """Take one step: render once, then every turn in order."""
        turns = self.method.turns
        batch = self._formatted(batch)
        self._last_source = batch.source
        networks = self._hand_to(turns[0].learns)
        with self._precision():
            scene = self.method.render(networks, batch)
        for turn in turns:
            networks = self._hand_to(turn.learns)
            # A context for each turn: it remembers weights in bf16, and the next turn's are other ones.
            with self._precision():
                losses = turn.losses(networks, scene)
            optimiser = self._optimisers[turn.learns]
            optimiser.zero_grad(set_to_none=True)
            taught = [turn.weights[name] * loss for name, loss in losses.items() if name in turn.weights]
            torch.stack(taught).sum().backward()
            optimiser.step()
            for name, loss in losses.items():
                self._note(f"{turn.learns}/{name}", loss.detach())
        self.step += 1
        self._summed_steps += 1
        self._follow()

    def read_losses(self) -> dict[str, float]:
        """Mean of every unweighted loss since the last call, over all workers, by `turn/term`.

        And `model/psnr_to_source`, of what users get, in dB: between the last photos and their enhanced
        selves. Raises NonFiniteLoss, on every worker if on any.
        """
        names, steps = list(self._sums), self._summed_steps
        own = torch.stack([*self._sums.values(), *self._bad_step.values(), self._psnr_to_source()])
        self._sums, self._bad_step, self._summed_steps = {}, {}, 0
        everyone = self._gather(own).cpu()
        *sums, psnr = everyone.mean(dim=0)[[*range(len(names)), -1]].tolist()
        bad_steps = everyone.amin(dim=0)[len(names) : -1].tolist()
        for name, bad_step in zip(names, bad_steps, strict=True):
            if bad_step < torch.inf:
                raise NonFiniteLoss(name, int(bad_step))
        means = {name: total / steps for name, total in zip(names, sums, strict=True)}
        return {**means, f"model/{PSNR}": psnr}

    def is_finite(self) -> bool:
        """Whether every weight is a number; waits for the device."""
        return bool(torch.stack([p.isfinite().all() for p in self.method.networks.parameters()]).all())

    def slow_down(self, factor: float) -> None:
        """Multiply every learning rate by `factor`, for good."""
        self._set_slowed(self.slowed * factor)

    def weights(self) -> State:
        """Networks, moving average and optimisers, as flat tensors, so that no pickle is needed."""
        state = {f"networks/{k}": v for k, v in self.method.networks.state_dict().items()}
        if self._average is not None:
            state |= {f"average/{k}": v for k, v in self._average.state_dict().items()}
        for group, optimiser in self._optimisers.items():
            for index, slots in optimiser.state_dict()["state"].items():
                state |= {f"optimiser/{group}/{index}/{slot}": value for slot, value in slots.items()}
        return state

    def load_weights(self, state: State) -> None:
        """Take over what `weights` gave. Raises KeyError, RuntimeError when it does not fit.

        Moments take the memory format of their weights, or a fused optimiser would pair other elements.
        """
        self.method.networks.load_state_dict(_under("networks/", state))
        if self._average is not None:
            self._average.load_state_dict(_under("average/", state))
        for group, optimiser in self._optimisers.items():
            parameters = optimiser.param_groups[0]["params"]
            slots: dict[int, State] = {}
            for key, value in _under(f"optimiser/{group}/", state).items():
                index, slot = key.split("/")
                like = value if slot == "step" else parameters[int(index)]
                # A copy, since the optimiser would write into it.
                slots.setdefault(int(index), {})[slot] = torch.empty_like(like).copy_(value)
            optimiser.load_state_dict({**optimiser.state_dict(), "state": slots})

    def state_dict(self) -> State:
        """Everything that the next step depends on."""
        slowed = torch.tensor(self.slowed, dtype=torch.float64)
        return self.weights() | {"step": torch.tensor(self.step), "slowed": slowed}

    def load_state_dict(self, state: State) -> None:
        """Go on exactly where `state_dict` was taken. Raises KeyError, RuntimeError when it does not fit."""
        self.load_weights(state)
        self.step = int(state["step"])
        self._set_slowed(float(state["slowed"]))

    def _hand_to(self, learns: str) -> Networks:
        """Only the group that learns gathers gradients, and only it comes wrapped."""
        for name, group in self.method.networks.items():
            group.requires_grad_(name == learns)
        return {**self.method.networks, learns: self._wrapped[learns]}

    def _formatted(self, batch: Batch) -> Batch:
        source, target = (
            photos.contiguous(memory_format=self._format) for photos in (batch.source, batch.target)
        )
        return Batch(source, target, batch.total, self.step)

    def _precision(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self.config.precision == "bf16")

    @torch.no_grad()
    def _psnr_to_source(self) -> torch.Tensor:
        return psnr_db(self.generator(self._last_source), self._last_source).double()

    def _set_slowed(self, slowed: float) -> None:
        self.slowed = slowed
        for name, optimiser in self._optimisers.items():
            for parameters in optimiser.param_groups:
                parameters["lr"] = self.config.rate(name) * slowed

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
            torch._foreach_lerp_(
                list(self._average.parameters()), list(self.method.generator.parameters()), 1 - decay
            )


def _under(prefix: str, state: State) -> State:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
