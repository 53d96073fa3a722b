"""The step that an ordinary port takes: nothing but PyTorch's defaults, and every loss read in every step."""

from collections.abc import Iterator

import torch

from wespe.batch import Batch
from wespe.learner import LearnerConfig
from wespe.method import Losses, Method


class PlainLearner:
    """float32, NCHW, Adam as it comes, nothing compiled; the same networks and losses as a Learner's."""

    def __init__(self, method: Method, config: LearnerConfig):
        self.method = method
        self._optimisers = {
            name: torch.optim.Adam(group.parameters(), lr=config.rate(name))
            for name, group in method.networks.items()
        }

    def learn(self, batch: Batch) -> dict[str, float]:
        """Take one step; return its losses by `turn/term`, as a Learner names them."""
        read = {}
        for learns, losses in backwards(self.method, batch):
            self._optimisers[learns].step()
            read |= {f"{learns}/{name}": loss.item() for name, loss in losses.items()}
        return read


def backwards(method: Method, batch: Batch) -> Iterator[tuple[str, Losses]]:
    """Forward and backward of every turn, in order: who learns, and what was lost. All that a step must compute."""
    networks, scene = dict(method.networks.items()), None
    for turn in method.turns:
        for name, group in networks.items():
            group.requires_grad_(name == turn.learns)
        scene = method.render(networks, batch) if scene is None else scene
        losses = turn.losses(networks, scene)
        method.networks.zero_grad()
        torch.stack([weight * losses[name] for name, weight in turn.weights.items() if name in losses]).sum().backward()
        yield turn.learns, losses
