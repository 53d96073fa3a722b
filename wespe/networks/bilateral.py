"""HDRNet (Gharbi et al. 2017): an affine transform of colour for each pixel, by its place and brightness.

A network fills a bilateral grid with transforms from a small thumbnail; the photo at full size only reads it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from wespe.generator import Generator, Place
from wespe.networks.slicing import sliced
from wespe.networks.thumbnail import thumbnails

IDENTITY = ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0))  # 3×4: a matrix of colours and an offset
COEFFICIENTS = 12
GLOBAL_HALVINGS = 2  # of the features' side, before the fully connected layers
START_SCALE = 0.01  # of the last layer's initial weights, so that a fresh network is close to the identity


@dataclass(frozen=True, kw_only=True)
class BilateralConfig:
    """Sizes of the network; the defaults are the paper's, except `side_px`.

    side_px: side of the square thumbnail. The paper has 256; photos to learn from have 192. It is enlarged to
        the side that the layers need: cells · 2^halvings.
    width: channels of the first layer; each of the next ones doubles them.
    halvings: layers that halve the resolution.
    cells: cells of the grid along each side of the photo. depth: cells along the guide.
    knots: hinges of each curve of the guide.
    """

    side_px: int = 192
    width: int = 8
    halvings: int = 4
    cells: int = 16
    depth: int = 8
    knots: int = 16

    def __post_init__(self) -> None:
        for name in ("side_px", "width", "halvings", "depth", "knots"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.cells < 1 or self.cells % 2**GLOBAL_HALVINGS:
            raise ValueError(f"cells must be a multiple of {2**GLOBAL_HALVINGS}, not {self.cells}")


class GridDecision(NamedTuple):
    """grid: (n, 12, depth, rows, columns), the rows of 3×4 affine transforms."""

    grid: torch.Tensor


class Bilateral(Generator):
    """photos_nchw → photos_nchw, initially about the same; may leave 0–1."""

    decides: ClassVar[bool] = True

    def __init__(self, config: BilateralConfig, start: tuple[tuple[float, ...], ...] = IDENTITY):
        """start: the 3×4 transform that the network starts close to."""
        super().__init__()
        self.config = config
        self.low = LowResolution(config, torch.tensor(start, dtype=torch.float))
        self.guide = Guide(config.knots)

    def decide(self, strips_nchw: Iterable[torch.Tensor]) -> GridDecision:
        """Fill the grids of whole photos, passed as strips from top to bottom.

        Never in bfloat16, so that machines with and without it decide alike.
        """
        small = thumbnails(strips_nchw, self.config.side_px)
        with torch.autocast(small.device.type, enabled=False):
            return GridDecision(self.low(small))

    def forward(
        self, photos_nchw: torch.Tensor, decision: GridDecision | None = None, place: Place | None = None
    ) -> torch.Tensor:
        grid = (decision or self.decide([photos_nchw])).grid
        with torch.autocast(photos_nchw.device.type, enabled=False):  # bf16 has too few levels of brightness
            return transformed(photos_nchw, sliced(grid, self.guide(photos_nchw), place))


def transformed(photos_nchw: torch.Tensor, coefficients: torch.Tensor) -> torch.Tensor:
    """Apply an affine transform of colour to each pixel (§3.4.2, Gharbi et al. 2017).

    coefficients: (n, 12, h, w), the rows of 3×4 matrices.
    """
    matrix = coefficients.unflatten(1, (3, 4))
    return (matrix[:, :, :3] * photos_nchw[:, None]).sum(2) + matrix[:, :, 3]


class LowResolution(nn.Module):
    """thumbnails → grids (n, 12, depth, cells, cells), from local and global features (§3.1)."""

    def __init__(self, config: BilateralConfig, start: torch.Tensor):
        """start: the 3×4 transform in all cells if all weights of the last layer are 0."""
        super().__init__()
        self.config = config
        widths = [config.width * 2**level for level in range(config.halvings)]
        features, side = widths[-1], config.cells // 2**GLOBAL_HALVINGS
        self.splat = nn.Sequential()
        for before, after in pairwise((3, *widths)):
            self.splat.extend([nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()])
        self.local = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(features, features, 3, padding=1, bias=False),  # the global features are its bias
        )
        self.whole = nn.Sequential(
            nn.Conv2d(features, features, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(features, features, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(features * side**2, 4 * features),
            nn.ReLU(),
            nn.Linear(4 * features, 2 * features),
            nn.ReLU(),
            nn.Linear(2 * features, features),
        )
        self.grid = nn.Conv2d(features, COEFFICIENTS * config.depth, 1)
        self._initialise(start)

    @torch.no_grad()
    def _initialise(self, start: torch.Tensor) -> None:
        """Weights as in He et al. 2015, biases 0; the last layer as `start` says."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        self.grid.weight.mul_(START_SCALE)
        assert self.grid.bias is not None
        self.grid.bias.copy_(start.flatten().repeat_interleave(self.config.depth))

    def forward(self, thumbnails_nchw: torch.Tensor) -> torch.Tensor:
        side = self.config.cells * 2**self.config.halvings
        features = self.splat(functional.interpolate(thumbnails_nchw, (side, side), mode="bilinear"))
        fused = functional.relu(self.local(features) + self.whole(features)[:, :, None, None])
        return self.grid(fused).unflatten(1, (COEFFICIENTS, self.config.depth))


class Guide(nn.Module):
    """photos_nchw → guides (n, 1, h, w), about 0–1 (§3.4.1); initially the mean of the channels.

    knots, slopes: (knots, 3, 1, 1), of the curves: t and a.
    """

    def __init__(self, knots: int):
        super().__init__()
        self.colours = nn.Conv2d(3, 3, 1)
        self.knots = nn.Parameter((torch.arange(knots) / knots).view(-1, 1, 1, 1).repeat(1, 3, 1, 1))
        self.slopes = nn.Parameter(torch.zeros(knots, 3, 1, 1))
        self.mixed = nn.Conv2d(3, 1, 1)
        with torch.no_grad():
            self.colours.weight.copy_(torch.eye(3)[:, :, None, None])
            self.slopes[0] = 1
            self.mixed.weight.fill_(1 / 3)
            for layer in (self.colours, self.mixed):
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        channels = self.colours(photos_nchw)
        hinges = zip(self.slopes, self.knots, strict=True)
        # One hinge at a time: all at once would need sixteen photos' memory.
        return self.mixed(sum(slope * functional.relu(channels - knot) for slope, knot in hinges))
