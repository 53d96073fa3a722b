"""Deep filtering: colour filters as frozen three-layer networks, mixed by decided weights (§3.2.2).

The paper approximates three photo filters of an image editor. These are defined here by a formula instead: a
share of the light passes through coloured glass, and the luma stays. The networks see one pixel at a time.
"""

import torch
from torch import nn
from torch.nn import functional

from wespe.views import texture_view

GLASS = {"cool": (0.0, 0.71, 1.0), "warm": (0.93, 0.54, 0.0), "green": (0.0, 0.76, 0.69)}  # as in footnote 3
DENSITY = 0.25
WIDTH = 16
STEPS, COLOURS, RATE = 600, 2048, 0.01  # of the fit


def coloured(photos_nchw: torch.Tensor, glass: tuple[float, float, float]) -> torch.Tensor:
    """Look through coloured glass of DENSITY, with the luma of the photo, float 0–1."""
    through = photos_nchw * (1 - DENSITY + DENSITY * photos_nchw.new_tensor(glass).view(1, 3, 1, 1))
    bright = texture_view(photos_nchw) / texture_view(through).clamp(min=1e-3)
    return (through * bright).clamp(0, 1)


class PhotoFilters(nn.Module):
    """photos_nchw → the change that each filter makes, (n, filters, 3, h, w); no change before `fit`.

    The weights are buffers: they are saved, but do not learn.
    """

    def __init__(self) -> None:
        super().__init__()
        sizes = [(WIDTH, 3), (WIDTH, WIDTH), (3, WIDTH)]
        for layer, (after, before) in enumerate(sizes):
            self.register_buffer(f"weight{layer}", torch.zeros(len(GLASS), after, before))
            self.register_buffer(f"bias{layer}", torch.zeros(len(GLASS), after, 1, 1))

    def forward(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        features = photos_nchw[:, None]
        for layer in range(3):
            weight, bias = getattr(self, f"weight{layer}"), getattr(self, f"bias{layer}")
            features = torch.einsum(
                "foi,nfihw->nfohw", weight.to(features), features.expand(-1, len(GLASS), -1, -1, -1)
            )
            features = features + bias.to(features)
            features = functional.leaky_relu(features, 0.1) if layer < 2 else features
        return features

    def fit(self) -> None:
        """Fit the networks to the formula; the same weights whenever it runs on one kind of machine."""
        random = torch.Generator().manual_seed(0)
        buffers = dict(self.named_buffers())
        learned = []
        for values in buffers.values():
            drawn = torch.randn(values.shape, generator=random) / values.shape[-1] ** 0.5
            values.copy_(drawn * (values.ndim == 3)).requires_grad_(True)
            learned.append(values)
        optimiser = torch.optim.Adam(learned, RATE)
        with torch.enable_grad():
            for _ in range(STEPS):
                colours = torch.rand(1, 3, COLOURS, 1, generator=random).to(learned[0])
                wanted = torch.stack([coloured(colours, glass) for glass in GLASS.values()], 1)
                optimiser.zero_grad()
                (self(colours) - (wanted - colours[:, None])).square().mean().backward()
                optimiser.step()
        for values in learned:
            values.requires_grad_(False).grad = None
