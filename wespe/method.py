"""The contract that every method keeps: its networks, and whose turn it is to learn from which losses."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from wespe.batch import Batch
from wespe.generator import Generator

Losses = dict[str, torch.Tensor]
Networks = Mapping[str, nn.Module]
Gather = Callable[[torch.Tensor], torch.Tensor]
State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Turn:
    """One group of networks learns.

    learns: the group's key in `Method.networks`.
    losses: (networks, scene) → unweighted scalars by name.
    weights: the factor of each loss in the total. A scalar without a weight teaches nothing: it is only
        watched, as the accuracy of a critic is.
    repeats: how often in a row within a step, from the same scene.
    every: the turn is taken in steps 0, every, 2 · every …
    """

    learns: str
    losses: Callable[[Networks, Any], Losses]
    weights: Mapping[str, float]
    repeats: int = 1
    every: int = 1

    def __post_init__(self) -> None:
        for name in ("repeats", "every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} of the turn of {self.learns} must be at least 1")


class Method(nn.Module, ABC):
    """What a training loop needs to know of a method, whatever it trains.

    A step renders a scene once, then takes every turn that is due, in order. Random numbers come from
    `batch.random`, so that a resumed training draws them again.

    networks: what learns, by group. One group is one module with one forward, so that
        DistributedDataParallel can wrap it. A loss must use the networks it is handed and not
        `self.networks`, since the group that learns comes wrapped.
    renders: the group that `render` calls, whose gradients the scene carries when one of its turns is due;
        else a scene has none. '' is the first turn's. Its turn cannot repeat.
    frozen: children that never learn or change, such as content features, and are not saved.
    first_patches: of each set, how many `prepare` wants to see before the first step.

    Persistent buffers of the method itself and of its other children (an adaptive weight, a pool of images)
    are saved, resumed and rolled back with the weights. They must agree on all workers: `gather` brings what
    the workers have seen together.
    """

    paired: ClassVar[bool] = False
    frozen: ClassVar[tuple[str, ...]] = ("features",)
    networks: nn.ModuleDict
    turns: tuple[Turn, ...]
    renders: str = ""
    first_patches: int = 0

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        """Stack a vector of every worker, (n,) → (workers, n). The learner puts the workers' own here."""
        return values[None]

    def prepare(self, batches: Sequence[Batch]) -> None:
        """Fit what the networks start from to the first batches, before the first step.

        All workers must come to the same start, by `gather`. What is fitted belongs in the networks' state,
        so that a resumed training and a user's model have it.
        """

    @abstractmethod
    def render(self, networks: Networks, batch: Batch) -> Any:
        """Run the generators once; what it returns is handed to every turn."""

    @property
    @abstractmethod
    def generator(self) -> Generator:
        """The network that enhances photos_nchw, float 0–1: all that a user of the model needs."""

    @property
    def compilable(self) -> list[nn.Module]:
        """Modules that torch.compile may take: none that a loss differentiates twice."""
        return [self.networks[self.renders or self.turns[0].learns]]

    def memory(self) -> State:
        """Return the method's own persistent state, beside its networks and what is frozen."""
        others = tuple(f"{name}." for name in ("networks", *self.frozen))
        return {name: value for name, value in self.state_dict().items() if not name.startswith(others)}

    def load_memory(self, state: State) -> None:
        """Take over what `memory` gave. Raises KeyError when it is not this method's."""
        if state.keys() != (own := self.memory()).keys():
            raise KeyError(f"a checkpoint of another method: {', '.join(sorted(state.keys() ^ own.keys()))}")
        self.load_state_dict(state, strict=False)
