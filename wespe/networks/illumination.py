"""The generator of UPE (Wang et al. 2019): a photo divided by an estimate of its illumination."""

from typing import Any

import torch

from wespe.generator import Place
from wespe.networks.bilateral import Bilateral, BilateralConfig, GridDecision

FULL = ((0, 0, 0, 1),) * 3  # the affine transform to an illumination of 1, which changes nothing
LEAST = 0.01  # 0–1; of the illumination: nothing gets more than 100 times as bright, and black stays black


class Illuminated(Bilateral):
    """photos_nchw → photos_nchw, float 0–1; initially about the same."""

    def __init__(self, config: BilateralConfig):
        super().__init__(config, FULL)

    def forward(
        self, photos_nchw: torch.Tensor, decision: GridDecision | None = None, place: Place | None = None
    ) -> torch.Tensor:
        return enhanced(photos_nchw, self.illumination(photos_nchw, decision, place))

    def illumination(
        self, photos_nchw: torch.Tensor, decision: GridDecision | None = None, place: Place | None = None
    ) -> torch.Tensor:
        """Estimate the illumination S of each pixel and channel: photo ≤ S ≤ 1."""
        return bounded(super().forward(photos_nchw, decision, place), photos_nchw)


def bounded(illumination: torch.Tensor, photos_nchw: torch.Tensor) -> torch.Tensor:
    """Limit an illumination to photo ≤ S ≤ 1 (Wang et al. 2019), so that what it enhances stays in 0–1."""
    return Bounds.apply(illumination, photos_nchw.clamp(min=LEAST))  # type: ignore[no-untyped-call]


class Bounds(torch.autograd.Function):
    """Values limited to least–1. Beyond the bounds, only the gradient that leads back inside passes.

    A clamp stops it there: one large step beyond a bound, and the network would never learn again.
    """

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, least: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(values, least)
        return values.maximum(least).clamp(max=1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:  # type: ignore[override]
        values, least = ctx.saved_tensors
        leads_out = ((values < least) & (gradient > 0)) | ((values > 1) & (gradient < 0))
        return gradient.masked_fill(leads_out, 0), None


def enhanced(photos_nchw: torch.Tensor, illumination: torch.Tensor) -> torch.Tensor:
    """Divide photos by their illumination (I = S · Ĩ, Wang et al. 2019)."""
    return photos_nchw / illumination
