"""A replay memory of episodes in progress, kept in buffers: checkpoints contain it.

Each worker has its own; a checkpoint contains the first worker's, with which all go on after a restart.
"""

import torch
from torch import nn


class Replay(nn.Module):
    """`size` slots; each has a row of every column, and counts what has been done in it.

    columns: shape of a row, by name. Photos are kept as bytes: names that begin with "photo" are float 0–1
        outside and uint8 inside.
    steps: (size,), how many steps the episode has had; −1 marks a free slot.
    """

    steps: torch.Tensor

    def __init__(self, size: int, columns: dict[str, tuple[int, ...]]):
        super().__init__()
        self.columns = tuple(columns)
        for name, shape in columns.items():
            kind = torch.uint8 if name.startswith("photo") else torch.float32
            self.register_buffer(name, torch.zeros(size, *shape, dtype=kind))
        self.register_buffer("steps", torch.full((size,), -1))

    def draw(self, count: int, random: torch.Generator | None) -> torch.Tensor:
        """Return `count` different slots."""
        order = torch.randperm(len(self.steps), generator=random, device=self.steps.device)
        return order[:count]

    def read(self, slots: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the rows of slots by column."""
        rows = {name: getattr(self, name)[slots] for name in self.columns}
        return {name: row / 255 if row.dtype == torch.uint8 else row for name, row in rows.items()}

    @torch.no_grad()
    def write(self, slots: torch.Tensor, rows: dict[str, torch.Tensor], steps: torch.Tensor) -> None:
        """Write rows of some columns, and the slots' number of steps."""
        for name, row in rows.items():
            column = getattr(self, name)
            column[slots] = (row * 255).round().to(column.dtype) if column.dtype == torch.uint8 else row
        self.steps[slots] = steps
