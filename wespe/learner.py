"""One method and its optimisers: learn from a batch, say what was lost, save and load exactly."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import chain, islice
from typing import Any, Literal

import torch
from torch import nn

from wespe.batch import Batch
from wespe.generator import Generator
from wespe.losses import psnr_db
from wespe.method import Gather, Method, Networks, State, Turn
from wespe.optimisers import OptimiserConfig, build_optimiser
from wespe.precision import computes_in_bfloat16

Wrap = Callable[[nn.Module], nn.Module]

PSNR = "psnr_to_source"
SEEDS = 2**63


@dataclass(frozen=True, kw_only=True)
class LearnerConfig:
    """How the groups of a method's networks learn.

    optimiser: of every group that `optimisers` does not name.
    optimisers: by group, such as `critics`, which then has nothing of `optimiser`: two time scales (Heusel et
        al. 2017), say.
    ema_decay: of the moving average of the generator that is what users get; 0, the paper's, keeps none.
    precision: "bf16" computes convolutions and products in bfloat16; weights, losses and views stay in
        float32, and so does the enhancing of photos. "auto" does so where the processor is fast at it.
    compile: let torch.compile fuse the generators; a minute at the start, and a C++ compiler on a CPU.
    """

    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    optimisers: Mapping[str, OptimiserConfig] = field(default_factory=dict)
    ema_decay: float = 0.0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must be at least 0 and below 1, not {self.ema_decay}")

    def of(self, group: str) -> OptimiserConfig:
        """The optimiser of a group of networks."""
        return self.optimisers.get(group, self.optimiser)


class NonFiniteLoss(ArithmeticError):
    """A loss became NaN or infinite; names the turn, the term and the step it happened at."""

    def __init__(self, term: str, step: int):
        super().__init__(f"the loss {term} is not finite at step {step}")


class Learner:
    """Drives any Method, on one process or on many.

    wrap: makes the workers' gradients of a module agree, such as DistributedDataParallel.
    gather: stacks a vector of every worker, (n,) → (workers, n).
    steps: of the whole training, for schedules of the learning rate; None if there is none.
    seed: of what the method draws; one for each worker.
    Nothing in `learn` waits for the device; `read_losses` does, once per call.
    Raises ValueError when the configuration names a group that the method does not have.
    """

    def __init__(
        self,
        method: Method,
        config: LearnerConfig,
        wrap: Wrap = lambda module: module,
        gather: Gather = lambda values: values[None],
        *,
        steps: int | None = None,
        seed: int = 0,
    ):
        _check(method, config, steps)
        method.gather = gather  # type: ignore[method-assign, assignment]
        self.method = method
        self.config = config
        self.steps, self.seed = steps, seed
        self.step = 0
        self.slowed = 1.0
        self._device = next(method.generator.parameters()).device
        self.bfloat16 = computes_in_bfloat16(config.precision, self._device)
        self._random = torch.Generator(self._device)
        # Tensor cores want channels last; CPUs were a little faster without.
        self._format = torch.channels_last if self._device.type == "cuda" else torch.contiguous_format
        method.to(memory_format=self._format)  # type: ignore[call-overload]
        if config.compile:
            for module in method.compilable:
                module.compile()
        self._wrapped = {name: wrap(group) for name, group in method.networks.items()}
        self._learning = {  # what a method has frozen stays frozen
            name: [parameter for parameter in group.parameters() if parameter.requires_grad]
            for name, group in method.networks.items()
        }
        self._optimisers = {
            name: build_optimiser(config.of(name), parameters) for name, parameters in self._learning.items()
        }
        self._average = copy.deepcopy(method.generator) if config.ema_decay else None
        self._sums: dict[str, LossSum] = {}

    @property
    def generator(self) -> Generator:
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
        self.method.prepare(seen)
        if self._average is not None:
            self._average.load_state_dict(self.method.generator.state_dict())
        return chain(seen, batches)

    def learn(self, batch: Batch) -> None:
        """Take one step: render once, then every turn that is due, in order."""
        turns = [turn for turn in self.method.turns if self.step % turn.every == 0]
        batch = self._completed(batch)
        self._last_source = batch.source
        scene = self._render(batch, turns)
        for turn in turns:
            for _ in range(turn.repeats):
                self._take(turn, scene)
        self.step += 1
        self._follow()

    def read_losses(self) -> dict[str, float]:
        """Mean of every unweighted loss over its turns since the last call, over all workers, by `turn/term`.

        And `model/psnr_to_source`, of what users get, in dB: between the last photos and their enhanced
        selves. Raises NonFiniteLoss, on every worker if on any.
        """
        sums, self._sums = self._sums, {}
        own = torch.stack(
            [one.total for one in sums.values()]
            + [one.bad_step for one in sums.values()]
            + [self._psnr_to_source()]
        )
        everyone = self._gather(own).cpu()
        *totals, psnr = everyone.mean(dim=0)[[*range(len(sums)), -1]].tolist()
        bad_steps = everyone.amin(dim=0)[len(sums) : -1].tolist()
        for name, bad_step in zip(sums, bad_steps, strict=True):
            if bad_step < torch.inf:
                raise NonFiniteLoss(name, int(bad_step))
        means = {name: total / one.calls for (name, one), total in zip(sums.items(), totals, strict=True)}
        return {**means, f"model/{PSNR}": psnr}

    def is_finite(self) -> bool:
        """Whether every weight is a number; waits for the device."""
        return bool(torch.stack([p.isfinite().all() for p in self.method.networks.parameters()]).all())

    def slow_down(self, factor: float) -> None:
        """Multiply every learning rate by `factor`, for good."""
        self.slowed *= factor

    def weights(self) -> State:
        """Networks, moving average, optimisers and the method's memory, as flat tensors: no pickle needed."""
        state = {f"networks/{k}": v for k, v in self.method.networks.state_dict().items()}
        state |= {f"memory/{k}": v for k, v in self.method.memory().items()}
        if self._average is not None:
            state |= {f"average/{k}": v for k, v in self._average.state_dict().items()}
        for group, optimiser in self._optimisers.items():
            for index, slots in optimiser.state_dict()["state"].items():
                state |= {
                    f"optimiser/{group}/{index}/{slot}": value
                    for slot, value in slots.items()
                    if value is not None  # SGD without momentum
                }
        return state

    def load_weights(self, state: State) -> None:
        """Take over what `weights` gave. Raises KeyError, RuntimeError when it does not fit.

        Moments take the memory format of their weights, or a fused optimiser would pair other elements.
        """
        self.method.networks.load_state_dict(_under("networks/", state))
        self.method.load_memory(_under("memory/", state))
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
        """Resume exactly where `state_dict` was taken. Raises KeyError, RuntimeError when it does not fit."""
        self.load_weights(state)
        self.step = int(state["step"])
        self.slowed = float(state["slowed"])

    def _gather(self, values: torch.Tensor) -> torch.Tensor:
        return self.method.gather(values)

    def _render(self, batch: Batch, turns: list[Turn]) -> object:
        """Render with gradients for the generators where they learn in this step, and else without any."""
        renders = self.method.renders or self.method.turns[0].learns
        learns = any(turn.learns == renders for turn in turns)
        networks = self._hand_to(renders if learns else "")
        with self._precision(), torch.set_grad_enabled(learns):
            return self.method.render(networks, batch)

    def _take(self, turn: Turn, scene: object) -> None:
        networks = self._hand_to(turn.learns)
        # A context for each turn: it caches weights in bf16, and the next turn's are other ones.
        with self._precision():
            losses = turn.losses(networks, scene)
        optimiser, config = self._optimisers[turn.learns], self.config.of(turn.learns)
        optimiser.param_groups[0]["lr"] = config.rate(self.step, self.steps or 0) * self.slowed
        optimiser.zero_grad(set_to_none=True)
        taught = [turn.weights[name] * loss for name, loss in losses.items() if name in turn.weights]
        torch.stack(taught).sum().backward()
        if config.clip_norm is not None:
            nn.utils.clip_grad_norm_(optimiser.param_groups[0]["params"], config.clip_norm)
        optimiser.step()
        for name, loss in losses.items():
            noted = self._sums.setdefault(f"{turn.learns}/{name}", LossSum(loss.device))
            noted.add(loss.detach(), self.step)

    def _hand_to(self, learns: str) -> Networks:
        """Only the group that learns gathers gradients, and only it comes wrapped."""
        for name, parameters in self._learning.items():
            for parameter in parameters:
                parameter.requires_grad_(name == learns)
        wrapped = {learns: self._wrapped[learns]} if learns else {}
        return {**self.method.networks, **wrapped}

    def _completed(self, batch: Batch) -> Batch:
        """Add the step and its random numbers; lay photos out as the networks want them."""
        self._random.manual_seed((self.seed * 1_000_003 + self.step) % SEEDS)
        photos: dict[str, Any] = {
            field.name: value.contiguous(memory_format=self._format)
            for field in fields(batch)
            if isinstance(value := getattr(batch, field.name), torch.Tensor) and value.ndim == 4
        }
        return replace(batch, step=self.step, random=self._random, **photos)

    def _precision(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self.bfloat16)

    @torch.no_grad()
    def _psnr_to_source(self) -> torch.Tensor:
        generator = self.generator
        was_training = generator.training
        generator.eval()  # as users have it; and batch norm must not learn from looking
        try:
            return psnr_db(generator(self._last_source), self._last_source).double()
        finally:
            generator.train(was_training)

    @torch.no_grad()
    def _follow(self) -> None:
        """Let the average follow the generator; early on it forgets faster, so that it never lags."""
        if self._average is None:
            return
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        now = self.method.generator
        torch._foreach_lerp_(list(self._average.parameters()), list(now.parameters()), 1 - decay)
        # Statistics of a batch norm are averages already; counters cannot be averaged.
        for average, current in zip(self._average.buffers(), now.buffers(), strict=True):
            average.copy_(current)


class LossSum:
    """One loss since the last reading, on its device: total, calls, the first step it was not finite at."""

    def __init__(self, device: torch.device):
        self.total = torch.zeros((), dtype=torch.float64, device=device)
        self.bad_step = torch.full((), torch.inf, dtype=torch.float64, device=device)
        self.calls = 0

    def add(self, loss: torch.Tensor, step: int) -> None:
        self.total += loss
        bad_step = torch.where(torch.isfinite(loss), torch.inf, float(step))
        self.bad_step = torch.minimum(self.bad_step, bad_step.double())
        self.calls += 1


def _check(method: Method, config: LearnerConfig, steps: int | None) -> None:
    groups = ", ".join(method.networks)
    if unknown := config.optimisers.keys() - method.networks.keys():
        raise ValueError(f"learner.optimisers: the method has no group {min(unknown)!r}; it has {groups}")
    if steps is None and any(config.of(group).schedule != "constant" for group in method.networks):
        raise ValueError("a schedule of the learning rate needs the number of steps")
    renders = method.renders or method.turns[0].learns
    for turn in method.turns:
        if turn.learns not in method.networks:
            raise ValueError(f"a turn of {turn.learns!r}, but the method has {groups}")
        if turn.learns == renders and turn.repeats > 1:
            raise ValueError(f"the turn of {renders}, which render the scene, cannot repeat in a step")


def _under(prefix: str, state: State) -> State:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
