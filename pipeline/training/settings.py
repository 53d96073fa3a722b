"""How long and how a camera's model is trained."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Training:
    """The defaults are the paper's (§3.6), where it speaks.

    steps: of the optimisers. batch_size: patches of each set per step, over all workers.
    seed: of the networks' start and of the streams. log_every, checkpoint_every: in steps.
    """

    steps: int = 20_000
    batch_size: int = 30
    seed: int = 1
    log_every: int = 100
    checkpoint_every: int = 1_000
    checkpoints_kept: int = 2

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            lowest = 0 if name == "seed" else 1
            if value < lowest:
                raise ValueError(f"{name} must be at least {lowest}, not {value}")
