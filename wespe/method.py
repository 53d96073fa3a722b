"""The contract every enhancer keeps: its networks, and whose turn it is to learn from which losses."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from wespe.batch import Batch

Losses = dict[str, torch.Tensor]
Networks = Mapping[str, nn.Module]
Gather = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Turn:
    """One group of networks learns.

    learns: the group's key in `Method.networks`.
    losses: (networks, scene) → unweighted scalars by name.
    weights: the factor of each loss in the total. A scalar without a weight teaches nothing: it is only
        watched, as the accuracy of a critic is.
    """

    learns: str
    losses: Callable[[Networks, Any], Losses]
    weights: Mapping[str, float]


class Method(nn.Module, ABC):
    """What a training loop needs to know of a method, whatever it trains.

    paired: whether source and target of a batch must show the same places.
    networks: what learns, by group. One group is one module with one forward, called once per step on all
        it has to see, so that DistributedDataParallel can wrap it. A loss must use the networks it is
        handed and not `self.networks`, since the group that learns comes wrapped.
    turns: in order. The scene is rendered once per step, with the first turn's group learning.
    first_patches: of each set, how many `prepare` wants to see before the first step.
    """

    paired: ClassVar[bool] = False
    networks: nn.ModuleDict
    turns: tuple[Turn, ...]
    first_patches: int = 0

    def prepare(self, batches: Sequence[Batch], gather: Gather) -> None:
        """Fit what the networks start from to the first batches, before the first step.

        gather: stacks a vector of every worker, (n,) → (workers, n); all must come to the same start. What is
        fitted belongs into the networks' state, so that a resumed training and a user's model have it.
        """

    @abstractmethod
    def render(self, networks: Networks, batch: Batch) -> Any:
        """Run the generators once; what it returns is handed to every turn."""

    @property
    @abstractmethod
    def generator(self) -> nn.Module:
        """The network that enhances photos_nchw, float 0–1: all that a user of the model needs."""

    @property
    def compilable(self) -> list[nn.Module]:
        """Modules that torch.compile may take: none that a loss differentiates twice."""
        return [self.networks[self.turns[0].learns]]
