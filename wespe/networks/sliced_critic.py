"""A critic that judges orthogonal one-dimensional projections of its features (Wu et al., CVPR 2019)."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

SLOPE = 0.2  # of the leaky ReLUs
UNITS = 8  # of each 1-D critic


@dataclass(frozen=True, kw_only=True)
class SlicedCriticConfig:
    """Size of the critic.

    width: channels of the first layer; each further layer doubles them.
    halvings: number of layers that halve the resolution.
    slices: number of orthogonal directions, each with a 1-D critic; at most the channels of the last layer.
        0: no slices, but one hidden layer on the features.
    """

    width: int = 32
    halvings: int = 3
    slices: int = 32

    def __post_init__(self) -> None:
        for name in ("width", "halvings"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 <= self.slices <= self.features:
            raise ValueError(f"slices must be at least 0 and at most {self.features}, not {self.slices}")

    @property
    def features(self) -> int:
        """Channels of the last layer."""
        return self.width * 2 ** (self.halvings - 1)


class SlicedCritic(nn.Module):
    """views (n, channels, h, w) → unbounded scores (n,), float32.

    The score is that of the mean features, times the root of the number of places: like a distance between
    views, which is summed over pixels, it grows with their size. No norms, as gradient penalties need.
    """

    def __init__(self, config: SlicedCriticConfig, *, channels: int):
        super().__init__()
        layers: list[nn.Module] = []
        for level in range(config.halvings):
            width = config.width * 2**level
            layers += [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(SLOPE)]
            channels = width
        self.layers = nn.Sequential(*layers)
        self.head = Slices(channels, config.slices) if config.slices else _hidden_layer(channels)

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        features = self.layers(views)
        with torch.autocast(views.device.type, enabled=False):  # bf16 directions would not be orthogonal
            score = self.head(features.float().mean((2, 3))).squeeze(1)
        return score * features[0, 0].numel() ** 0.5


class Slices(nn.Module):
    """features (n, channels) → scores (n, 1): the mean of 1-D critics, one per orthogonal direction.

    Each 1-D critic is u · LeakyReLU(w z + b) of one projection z (§4.2, Wu et al. 2019). The directions are
    the Q of a QR decomposition of free parameters, so that WᵀW = I after any optimiser step.
    """

    def __init__(self, channels: int, slices: int):
        super().__init__()
        self.free = nn.Parameter(torch.randn(channels, slices))
        self.inner = nn.Parameter(torch.randn(slices, UNITS))
        self.offset = nn.Parameter(0.5 * torch.randn(slices, UNITS))
        self.outer = nn.Parameter(torch.randn(slices, UNITS) / UNITS**0.5)

    def directions(self) -> torch.Tensor:
        """Return W, (channels, slices), with orthonormal columns."""
        orthonormal, _ = torch.linalg.qr(self.free)
        return orthonormal

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        projections = (features @ self.directions())[:, :, None]
        units = functional.leaky_relu(self.inner * projections + self.offset, SLOPE)
        return (self.outer * units).sum(2).mean(1, keepdim=True)


def _hidden_layer(channels: int) -> nn.Module:
    # No bias at the end: it would cancel between real and fake photos.
    last = nn.Linear(channels, 1, bias=False)
    return nn.Sequential(nn.Linear(channels, channels), nn.LeakyReLU(SLOPE), last)
