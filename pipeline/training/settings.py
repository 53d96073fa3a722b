"""Settings of the training loop."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Training:
    """The defaults are the paper's (§3.6) where it states them.

    steps: number of training steps; 0 keeps the initial transform that the method fits to the photos.
    batch_size: patches of each set per step, over all workers.
    seed: for the networks' initial weights and the order of patches.
    log_every, checkpoint_every: in steps. The guard checks the losses whenever they are logged.
    checkpoints_kept: number of checkpoints kept on disk.
    """

    steps: int = 20_000
    batch_size: int = 30
    seed: int = 1
    log_every: int = 100
    checkpoint_every: int = 1_000
    checkpoints_kept: int = 2

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            lowest = 0 if name in ("seed", "steps") else 1
            if value < lowest:
                raise ValueError(f"{name} must be at least {lowest}, not {value}")
