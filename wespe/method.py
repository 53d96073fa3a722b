"""The interface of every method: its networks, and which of them learn from which losses."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from wespe.batch import Batch
from wespe.generator import Generator
from wespe.sample import Sample

Losses = dict[str, torch.Tensor]
Networks = Mapping[str, nn.Module]
Gather = Callable[[torch.Tensor], torch.Tensor]
State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Turn:
    """One optimiser step of one group of networks.

    learns: the group's key in `Method.networks`.
    losses: (networks, scene) → unweighted scalars by name.
    weights: weight of each loss in the total. A scalar without a weight, such as a critic's accuracy, is only
        logged.
    repeats: number of optimiser steps in a row within one training step, on the same scene.
    every: the turn runs in steps 0, every, 2 · every …
    """

    learns: str
    losses: Callable[[Networks, Any], Losses]
    weights: Mapping[str, float]
    repeats: int = 1
    every: int = 1

    def __post_init__(self) -> None:
        for name in ("repeats", "every"):
            if getattr(self, name) < 1:
                raise ValueError(f"the turn of {self.learns}: {name} must be at least 1")


class Method(nn.Module, ABC):
    """A training method: networks, a render step, and the turns in which the networks learn.

    Each step renders a scene once, then runs all turns that are due, in order. Draw random numbers from
    `batch.random`, so that a resumed training draws the same ones.

    networks: the groups of networks that learn, by name. Each group is one module with one forward, so that
        DistributedDataParallel can wrap it. Losses must use the networks passed to them, not
        `self.networks`: the group that learns is passed wrapped.
    renders: the group that `render` calls; '' means the group of the first turn. The scene carries gradients
        of this group if one of its turns is due, and none otherwise. Its turn must not repeat.
    whole_photos: whether batches and samples contain whole photos, reduced to squares, instead of patches:
        for methods that decide on the whole photo. They are mirrored at random, but not rotated.
    needs_whole: whether samples must contain reduced whole photos beside the patches.
    frozen: names of children that never change, such as content features. They are not saved.
    first_patches: maximum number of patches per set that `prepare` gets before the first step; 0: no call.

    Persistent buffers of the method and of its other children (an adaptive weight, an image pool) are saved,
    resumed and rolled back with the weights. They must be equal on all workers; use `gather` to combine what
    each worker has seen. Of a replay memory, which differs, a checkpoint keeps the first worker's.
    """

    paired: ClassVar[bool] = False
    whole_photos: ClassVar[bool] = False
    needs_whole: ClassVar[bool] = False
    frozen: ClassVar[tuple[str, ...]] = ("features",)
    networks: nn.ModuleDict
    turns: tuple[Turn, ...]
    renders: str = ""
    first_patches: int = 0

    @classmethod
    def learns_from_whole(cls, config: Any) -> bool:
        """Tell whether batches must contain reduced whole photos of the target; needs `needs_whole`."""
        return False

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        """Stack one vector per worker, (n,) → (workers, n). The learner replaces this function."""
        return values[None]

    def prepare(self, source: Sample, target: Sample) -> str:
        """Initialise the networks from a sample of both sets, before the first step.

        All workers get the same samples. Store the result in the networks' parameters or buffers, so that it
        is part of checkpoints and of the final model. Return a sentence about what was found, or nothing.
        """
        return ""

    @abstractmethod
    def render(self, networks: Networks, batch: Batch) -> Any:
        """Run the generators once; the result is passed to the losses of every turn."""

    @property
    @abstractmethod
    def generator(self) -> Generator:
        """The network that enhances photos_nchw, float 0–1; the only one needed at inference."""

    @property
    def compilable(self) -> list[nn.Module]:
        """Modules for torch.compile, which does not support modules that a loss differentiates twice."""
        return [self.networks[self.renders or self.turns[0].learns]]

    def memory(self) -> State:
        """Return the method's persistent state, without its networks and frozen children."""
        others = tuple(f"{name}." for name in ("networks", *self.frozen))
        return {name: value for name, value in self.state_dict().items() if not name.startswith(others)}

    def load_memory(self, state: State) -> None:
        """Load what `memory` returned. Raises KeyError if it belongs to another method."""
        if state.keys() != (own := self.memory()).keys():
            raise KeyError(
                f"the checkpoint belongs to another method: {', '.join(sorted(state.keys() ^ own.keys()))}"
            )
        self.load_state_dict(state, strict=False)
