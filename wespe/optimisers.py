"""Optimiser settings of a group of networks: kind, learning rate schedule and gradient clipping."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig:
    """The defaults are the paper's: Adam with learning rate 5e-4, as in DPED.

    betas: for Adam and AdamW.
    smoothing: decay of RMSprop's mean of squared gradients (its alpha).
    momentum: for SGD and RMSprop.
    schedule: "constant", or decay to 0 at the last step: "linear" or "cosine".
    warmup_steps: number of steps of linear warm-up from 0.
    clip_norm: maximum norm of all gradients of the group together; None disables clipping.
    """

    kind: Literal["adam", "adamw", "rmsprop", "sgd"] = "adam"
    learning_rate: float = 5e-4
    betas: tuple[float, float] = (0.9, 0.999)
    smoothing: float = 0.99
    momentum: float = 0.0
    weight_decay: float = 0.0
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_steps: int = 0
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be above 0, not {self.learning_rate}")
        for name in ("smoothing", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, not {getattr(self, name)}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must be at least 0 and below 1, not {list(self.betas)}")
        for name in ("weight_decay", "warmup_steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")
        if self.clip_norm is not None and self.clip_norm <= 0:
            raise ValueError(f"clip_norm must be above 0, or null, not {self.clip_norm}")

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate at a step, counted from 0, in a training of `steps` steps."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        if self.schedule == "constant":
            return self.learning_rate
        done = min(1.0, (step - self.warmup_steps) / max(1, steps - self.warmup_steps))
        left = 1 - done if self.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
        return self.learning_rate * left


def build_optimiser(config: OptimiserConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Build the optimiser; fused where torch supports it, so that one kernel updates all weights."""
    rate, decay = config.learning_rate, config.weight_decay
    match config.kind:
        case "adam":
            return torch.optim.Adam(parameters, rate, config.betas, weight_decay=decay, fused=True)
        case "adamw":
            return torch.optim.AdamW(parameters, rate, config.betas, weight_decay=decay, fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(
                parameters, rate, config.smoothing, momentum=config.momentum, weight_decay=decay
            )
    return torch.optim.SGD(parameters, rate, momentum=config.momentum, weight_decay=decay, fused=True)
