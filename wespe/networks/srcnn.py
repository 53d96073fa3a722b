"""The three-layer network of SRCNN (Dong et al. 2014), for colour photos, with unchanged size."""

from typing import Any

import torch
from torch import nn

from wespe.generator import Generator, Place


class SRCNN(Generator):
    """photos_nchw → photos_nchw, float 0–1: 9×9×64, 5×5×32, 5×5×3 (9-5-5 in §4.3.2 of the paper).

    Our change: the output is added to the photo, so that the initial network is the identity.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 64, 9, padding=4),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, 32, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 3, 5, padding=2),
        )
        nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.layers[-1].bias)  # type: ignore[arg-type]

    def forward(
        self, photos_nchw: torch.Tensor, decision: Any = None, place: Place | None = None
    ) -> torch.Tensor:
        return photos_nchw + self.layers(photos_nchw).to(photos_nchw.dtype)
