"""A small network that reads a reduced photo and what was done to it: for policies and critics."""

from itertools import pairwise

import torch
from torch import nn

SIDE_PX = 64  # of the photo that it reads
WIDTHS = (3, 16, 32, 64, 128)
HIDDEN = 128


class PhotoState(nn.Module):
    """photos (n, 3, SIDE_PX, SIDE_PX), about 0–1, and facts (n, facts) → (n, outputs).

    It reads the mean over all places of each layer, and the photo's own mean and spread: the first layers'
    tell how colours are distributed, the last ones' what is shown. There is no normalisation, since
    brightness and contrast are what matters.

    from_zero: outputs begin at 0. origin: whether outputs have one; a Wasserstein critic's are only compared.
    """

    def __init__(self, outputs: int, *, facts: int = 0, from_zero: bool = False, origin: bool = True):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1), nn.LeakyReLU(0.2))
            for before, after in pairwise(WIDTHS)
        )
        self.hidden = nn.Linear(6 + sum(WIDTHS[1:]) + facts, HIDDEN)
        self.head = nn.Linear(HIDDEN, outputs, bias=origin)
        if from_zero:
            for values in self.head.parameters():
                nn.init.zeros_(values)

    def forward(self, photos_nchw: torch.Tensor, facts: torch.Tensor | None = None) -> torch.Tensor:
        features = 2 * photos_nchw - 1
        spread = (features.var((2, 3)) + 1e-4).sqrt()
        read = [features.mean((2, 3)), spread]
        for layer in self.layers:
            features = layer(features)
            read.append(features.mean((2, 3)))
        if facts is not None:
            read.append(facts)
        return self.head(nn.functional.leaky_relu(self.hidden(torch.cat(read, 1)), 0.2))
