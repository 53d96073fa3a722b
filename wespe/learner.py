"""Trains a method: optimiser steps, mean losses, and exact saving and loading of the state."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from typing import Any, Literal

import torch
from torch import nn

from wespe.batch import Batch
from wespe.generator import Generator
from wespe.losses import psnr_db
from wespe.method import Gather, Method, Networks, State, Turn
from wespe.optimisers import OptimiserConfig, build_optimiser
from wespe.precision import computes_in_bfloat16
from wespe.sample import Sample

Wrap = Callable[[nn.Module], nn.Module]

PSNR = "psnr_to_source"
SEEDS = 2**63


@dataclass(frozen=True, kw_only=True)
class LearnerConfig:
    """Training settings of a method's network groups.

    optimiser: for all groups that `optimisers` does not name.
    optimisers: per group, such as `critics`; replaces `optimiser` for that group. Allows two time scales
        (Heusel et al. 2017).
    ema_decay: decay of the moving average (EMA) of the generator's weights, which becomes the final model. 0,
        as in the paper, disables it.
    precision: of training. "bf16" computes convolutions and matrix products in bfloat16; weights, losses and
        views stay in float32. "auto" uses bf16 if the processor is fast at it.
    compile: compile the generators with torch.compile. Takes about a minute at the start; on a CPU it needs a
        C++ compiler.
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
        """Return the optimiser settings of a group."""
        return self.optimisers.get(group, self.optimiser)


class NonFiniteLoss(ArithmeticError):
    """A loss became NaN or infinite; names the turn, the term and the step."""

    def __init__(self, term: str, step: int):
        super().__init__(f"the loss {term} is not finite at step {step}")


class Learner:
    """Trains any Method, in one process or in several.

    wrap: wraps a module so that its gradients are averaged over workers, such as DistributedDataParallel.
    gather: stacks one vector per worker, (n,) → (workers, n).
    steps: length of the whole training; learning rate schedules and coarse-to-fine methods need it.
    seed: for the method's random numbers; must differ between workers.

    `learn` never waits for the device; `read_losses` waits once per call.
    Raises ValueError if the configuration names a group that the method does not have.
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
        self._format = _fastest_format(self._device)
        _set_format(method, self._format)
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
        self._start = _copy_of(method.generator)
        self._sums: dict[str, LossSum] = {}

    @property
    def generator(self) -> Generator:
        """The final model: the moving average of the generator, or without `ema_decay` the generator."""
        return self.method.generator if self._average is None else self._average

    @property
    def start(self) -> State:
        """The generator's weights before the first step, after `prepare`: training is measured against it."""
        return self._start

    def prepare(self, source: Sample, target: Sample) -> str:
        """Let the method initialise itself before the first step; return what it says of the samples."""
        found = self.method.prepare(source, target)
        generator = self.method.generator
        prepared = chain(generator.state_dict().values(), self.method.memory().values())
        with torch.no_grad():  # two kinds of processors may have rounded differently
            for value in filter(torch.is_floating_point, prepared):
                value.copy_(self._gather(value.flatten()).mean(0).view_as(value))
        if self._average is not None:
            self._average.load_state_dict(generator.state_dict())
        self._start = _copy_of(generator)
        return found

    def learn(self, batch: Batch) -> None:
        """Take one step: render once, then run all turns that are due, in order."""
        turns = [turn for turn in self.method.turns if self.step % turn.every == 0]
        batch = self._prepare_batch(batch)
        self._last_source = batch.source
        scene = self._render(batch, turns)
        for turn in turns:
            for _ in range(turn.repeats):
                self._run_turn(turn, scene)
        self.step += 1
        self._update_average()

    def read_losses(self) -> dict[str, float]:
        """Return all unweighted losses by `turn/term`, averaged since the last call and over all workers.

        Also returns `model/psnr_to_source`: the PSNR in dB between the last source photos and the final
        model's output. Raises NonFiniteLoss on all workers if a loss is not finite on any.
        """
        sums, self._sums = self._sums, {}
        local = torch.stack(
            [one.total for one in sums.values()]
            + [one.bad_step for one in sums.values()]
            + [self._psnr_to_source()]
        )
        everyone = self._gather(local).cpu()
        *totals, psnr = everyone.mean(dim=0)[[*range(len(sums)), -1]].tolist()
        bad_steps = everyone.amin(dim=0)[len(sums) : -1].tolist()
        for name, bad_step in zip(sums, bad_steps, strict=True):
            if bad_step < torch.inf:
                raise NonFiniteLoss(name, int(bad_step))
        means = {name: total / one.calls for (name, one), total in zip(sums.items(), totals, strict=True)}
        return {**means, f"model/{PSNR}": psnr}

    def is_finite(self) -> bool:
        """Tell whether all weights are finite; waits for the device."""
        return bool(torch.stack([p.isfinite().all() for p in self.method.networks.parameters()]).all())

    def slow_down(self, factor: float) -> None:
        """Multiply all learning rates by `factor`, permanently."""
        self.slowed *= factor

    def weights(self) -> State:
        """Return networks, moving average, optimiser states and the method's memory as tensors by name.

        The dictionary is flat, so that it can be saved without pickle.
        """
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
        """Load what `weights` returned. Raises KeyError or RuntimeError if it does not match this method.

        Optimiser moments must have the memory format of their weights: fused optimisers pair elements by
        their position in memory.
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
                # Copy, since the optimiser writes into these tensors.
                slots.setdefault(int(index), {})[slot] = torch.empty_like(like).copy_(value)
            optimiser.load_state_dict({**optimiser.state_dict(), "state": slots})

    def state_dict(self) -> State:
        """Return the complete training state."""
        slowed = torch.tensor(self.slowed, dtype=torch.float64)
        start = {f"start/{name}": value for name, value in self._start.items()}
        return self.weights() | start | {"step": torch.tensor(self.step), "slowed": slowed}

    def load_state_dict(self, state: State) -> None:
        """Restore the training state exactly. Raises KeyError or RuntimeError if it does not match."""
        self.load_weights(state)
        self._start = _under("start/", state)
        self.step = int(state["step"])
        self.slowed = float(state["slowed"])

    def _gather(self, values: torch.Tensor) -> torch.Tensor:
        return self.method.gather(values)

    def _render(self, batch: Batch, turns: list[Turn]) -> object:
        """Render; with gradients only if the rendering group learns in this step."""
        renders = self.method.renders or self.method.turns[0].learns
        learns = any(turn.learns == renders for turn in turns)
        networks = self._networks_for(renders if learns else "")
        with self._precision(), torch.set_grad_enabled(learns):
            return self.method.render(networks, batch)

    def _run_turn(self, turn: Turn, scene: object) -> None:
        networks = self._networks_for(turn.learns)
        # Autocast caches weights in bf16, so each turn needs its own context: the weights change in between.
        with self._precision():
            losses = turn.losses(networks, scene)
        optimiser, config = self._optimisers[turn.learns], self.config.of(turn.learns)
        optimiser.param_groups[0]["lr"] = config.rate(self.step, self.steps or 0) * self.slowed
        optimiser.zero_grad(set_to_none=True)
        weighted = [turn.weights[name] * loss for name, loss in losses.items() if name in turn.weights]
        torch.stack(weighted).sum().backward()
        if config.clip_norm is not None:
            nn.utils.clip_grad_norm_(optimiser.param_groups[0]["params"], config.clip_norm)
        optimiser.step()
        for name, loss in losses.items():
            loss_sum = self._sums.setdefault(f"{turn.learns}/{name}", LossSum(loss.device))
            loss_sum.add(loss.detach(), self.step)

    def _networks_for(self, learns: str) -> Networks:
        """Return all groups; only the one that learns requires gradients and is wrapped."""
        for name, parameters in self._learning.items():
            for parameter in parameters:
                parameter.requires_grad_(name == learns)
        wrapped = {learns: self._wrapped[learns]} if learns else {}
        return {**self.method.networks, **wrapped}

    def _prepare_batch(self, batch: Batch) -> Batch:
        """Add the step and its random generator; convert photos to the networks' memory format."""
        self._random.manual_seed((self.seed * 1_000_003 + self.step) % SEEDS)
        photos: dict[str, Any] = {
            field.name: value.contiguous(memory_format=self._format)
            for field in fields(batch)
            if isinstance(value := getattr(batch, field.name), torch.Tensor) and value.ndim == 4
        }
        return replace(batch, step=self.step, steps=self.steps, random=self._random, **photos)

    def _precision(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self.bfloat16)

    @torch.no_grad()
    def _psnr_to_source(self) -> torch.Tensor:
        generator = self.generator
        was_training = generator.training
        generator.eval()  # as at inference; this also keeps batch norm from updating its statistics
        try:
            return psnr_db(generator(self._last_source), self._last_source).double()
        finally:
            generator.train(was_training)

    @torch.no_grad()
    def _update_average(self) -> None:
        """Update the moving average. A lower decay in the first steps keeps it from lagging behind."""
        if self._average is None:
            return
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        now = self.method.generator
        torch._foreach_lerp_(list(self._average.parameters()), list(now.parameters()), 1 - decay)
        # Copy buffers: batch norm statistics are already averages, and counters cannot be averaged.
        for average, current in zip(self._average.buffers(), now.buffers(), strict=True):
            average.copy_(current)


class LossSum:
    """Accumulates one loss on its device: sum, number of calls, first step at which it was not finite."""

    def __init__(self, device: torch.device):
        self.total = torch.zeros((), dtype=torch.float64, device=device)
        self.bad_step = torch.full((), torch.inf, dtype=torch.float64, device=device)
        self.calls = 0

    def add(self, loss: torch.Tensor, step: int) -> None:
        self.total += loss
        bad_step = torch.where(torch.isfinite(loss), torch.inf, float(step))
        self.bad_step = torch.minimum(self.bad_step, bad_step.double())
        self.calls += 1


def _copy_of(generator: nn.Module) -> State:
    return {name: value.detach().clone() for name, value in generator.state_dict().items()}


def _fastest_format(device: torch.device) -> torch.memory_format:
    """Tensor cores are faster with channels last; CPUs were slightly faster without."""
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format


def _set_format(method: Method, memory_format: torch.memory_format) -> None:
    """Convert tensors of four dimensions; `Module.to` fails if there are 3-D LUTs, which have five."""
    for values in chain(method.parameters(), method.buffers()):
        if values.ndim == 4:
            values.data = values.data.contiguous(memory_format=memory_format)


def _check(method: Method, config: LearnerConfig, steps: int | None) -> None:
    groups = ", ".join(method.networks)
    if unknown := config.optimisers.keys() - method.networks.keys():
        raise ValueError(f"learner.optimisers: the method has no group {min(unknown)!r}; it has {groups}")
    if steps is None and any(config.of(group).schedule != "constant" for group in method.networks):
        raise ValueError("a learning rate schedule needs the number of steps")
    renders = method.renders or method.turns[0].learns
    for turn in method.turns:
        if turn.learns not in method.networks:
            raise ValueError(f"a turn names the group {turn.learns!r}, but the method has {groups}")
        if turn.learns == renders and turn.repeats > 1:
            raise ValueError(
                f"the turn of {renders!r} must not repeat within a step, because that group renders the scene"
            )


def _under(prefix: str, state: State) -> State:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
