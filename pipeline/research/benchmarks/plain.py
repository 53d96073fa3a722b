"""A plain training step for comparison: PyTorch's defaults, and all losses read in every step."""

import torch

from wespe.batch import Batch
from wespe.learner import LearnerConfig
from wespe.method import Method


class PlainLearner:
    """Trains in float32, NCHW, with default Adam and no compilation; networks and losses as in Learner."""

    def __init__(self, method: Method, config: LearnerConfig):
        self.method = method
        self._optimisers = {
            name: torch.optim.Adam(group.parameters(), lr=config.of(name).learning_rate)
            for name, group in method.networks.items()
        }

    def learn(self, batch: Batch) -> dict[str, float]:
        """Take one step; return its losses by `turn/term`, as in Learner."""
        networks, scene = dict(self.method.networks.items()), None
        read: dict[str, float] = {}
        for turn in self.method.turns:
            for name, group in networks.items():
                group.requires_grad_(name == turn.learns)
            scene = self.method.render(networks, batch) if scene is None else scene
            losses = turn.losses(networks, scene)
            taught = [turn.weights[name] * loss for name, loss in losses.items() if name in turn.weights]
            self._optimisers[turn.learns].zero_grad()
            torch.stack(taught).sum().backward()
            self._optimisers[turn.learns].step()
            read |= {f"{turn.learns}/{name}": loss.item() for name, loss in losses.items()}
        return read
