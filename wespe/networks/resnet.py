"""The residual network of WESPE and DPED: photos to photos of the same size."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from wespe.generator import Generator, Place


@dataclass(frozen=True, kw_only=True)
class ResNetConfig:
    """The defaults are the paper's: 401,475 parameters.

    norm: "instance" is the paper's. It depends on the whole photo, so tiles do not match. With "none" the
        receptive field is 18 px around each pixel.
    output: "tanh" is the paper's, 0.58 · tanh + 0.5, whose output is grey at first. "residual" adds the
        network's output, zero at first, to the photo. It is divided by the square root of the last layer's
        fan-in (equalised learning rate, Karras et al. 2018, §4.1). Otherwise a single Adam step, which moves
        all weights by a similar amount, shifts the colours.
    """

    width: int = 64
    blocks: int = 4
    norm: Literal["instance", "none"] = "instance"
    output: Literal["tanh", "residual"] = "tanh"

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width must be at least 1 channel, not {self.width}")
        if self.blocks < 0:
            raise ValueError(f"blocks must be at least 0, not {self.blocks}")


class ResNet(Generator):
    """photos_nchw → photos_nchw, float 0–1 (§3.6, as in the generator of DPED, Ignatov et al. 2017)."""

    def __init__(self, config: ResNetConfig):
        super().__init__()
        width = config.width
        self.residual = config.output == "residual"
        self.head = nn.Sequential(nn.Conv2d(3, width, 9, padding=4), nn.ReLU())
        self.blocks = nn.Sequential(*(ResidualBlock(width, config.norm) for _ in range(config.blocks)))
        self.tail = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 3, 9, padding=4),
        )
        self.apply(start_truncated_normal if config.norm == "instance" else _start_without_norm)
        self.scale = (9 * 9 * width) ** -0.5
        if self.residual:
            _start_at_zero(self.tail[-1])

    def forward(
        self, photos_nchw: torch.Tensor, decision: Any = None, place: Place | None = None
    ) -> torch.Tensor:
        change = self.tail(self.blocks(self.head(photos_nchw))).to(photos_nchw.dtype)
        return photos_nchw + self.scale * change if self.residual else torch.tanh(change) * 0.58 + 0.5


class ResidualBlock(nn.Module):
    """(conv 3×3 → norm → ReLU) twice, plus the input."""

    def __init__(self, width: int, norm: str):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            _norm(width, norm),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            _norm(width, norm),
            nn.ReLU(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


def _norm(width: int, norm: str) -> nn.Module:
    return nn.InstanceNorm2d(width, eps=1e-3, affine=True) if norm == "instance" else nn.Identity()


def start_truncated_normal(module: nn.Module) -> None:
    """Initialise a layer as in the authors' code."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.01, a=-0.02, b=0.02)
        nn.init.constant_(module.bias, 0.01)  # type: ignore[arg-type]


def _start_without_norm(module: nn.Module) -> None:
    """He initialisation: without a norm, the paper's small weights would make the signal vanish."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]


def _start_at_zero(module: nn.Module) -> None:
    nn.init.zeros_(module.weight)  # type: ignore[arg-type]
    nn.init.zeros_(module.bias)  # type: ignore[arg-type]
