"""A degradation model of the camera, learned from two unpaired sets, so that its inverse can be trained.

It reduces detail depending on local activity, blurs colour, and adds noise to luma and colour depending on
brightness. It is fitted by gradient descent, so that degraded target patches match the source's local
statistics.
"""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

from pipeline.research.detail_study.critics import FrozenFeatures
from pipeline.research.detail_study.local_statistics import activity, bands, blurred
from wespe.networks.tone import LEVELS, apply_curves
from wespe.views import texture_view

BANDS, ACTIVITY_KNOTS, LUMA_KNOTS = 3, 8, 5
CHROMA_PX = (0.0, 1.0, 3.0)  # deviations of the Gaussians between the bands of noise in colour
LEAST_NOISE = 3e-4
DIRECTIONS, PLACES = 64, 16384


class Camera(nn.Module):
    """Target patches, 0–1 → patches like the source after colour. noise: multiple of the measured noise."""

    scales: torch.Tensor
    chroma_scales: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.gains = nn.Parameter(torch.zeros(BANDS, ACTIVITY_KNOTS))
        self.luma_noise = nn.Parameter(torch.full((BANDS, LUMA_KNOTS), -5.5))
        self.chroma_noise = nn.Parameter(torch.full((2,), -6.0))
        self.chroma_blur = nn.Parameter(torch.zeros(()))
        self.spread = nn.Parameter(torch.full((2,), -1.2))  # logarithm of the strengths' deviation
        white = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
        self.register_buffer("scales", 1 / bands(white[:, :1]).std((0, 2, 3)))
        self.register_buffer("chroma_scales", torch.stack([1 / band.std() for band in _chroma_bands(white)]))

    def forward(self, photos_nchw: torch.Tensor, noise: float = 1.0) -> torch.Tensor:
        with torch.autocast(photos_nchw.device.type, enabled=False):
            deviations = self.spread.exp()
            drawn = torch.randn(2, len(photos_nchw), 1, 1, 1, device=photos_nchw.device)
            detail, loud = (drawn * deviations[:, None, None, None, None]).exp().unbind(0)
            luma = texture_view(photos_nchw)
            split = bands(luma)
            gains = apply_curves(activity(split), _curves(self.gains)) * detail
            lost = luma + (split * (gains.clamp(-4, 1.1).exp() - 1)).sum(1, keepdim=True)
            colour = self._blurred_colour(photos_nchw - luma)
            return (lost + colour + noise * loud * self._noise(lost)).clamp(0, 1)

    def _blurred_colour(self, colour_nchw: torch.Tensor) -> torch.Tensor:
        soft = blurred(colour_nchw, 2.0)
        return torch.lerp(colour_nchw, soft, torch.sigmoid(self.chroma_blur))

    def _noise(self, luma: torch.Tensor) -> torch.Tensor:
        loudness = apply_curves(luma.expand(-1, BANDS, -1, -1), _curves(self.luma_noise)).exp()
        white = bands(torch.randn_like(luma)) * self.scales[:, None, None]
        grey = ((loudness + LEAST_NOISE) * white).sum(1, keepdim=True)
        split = _chroma_bands(torch.randn_like(luma.expand(-1, 3, -1, -1)))
        weights = (self.chroma_noise.exp() + LEAST_NOISE) * self.chroma_scales
        return grey + sum(weight * band for weight, band in zip(weights, split, strict=True))

    def described(self) -> dict[str, list]:
        """Return the learned parameters: gains in dB, noise in 8-bit levels."""
        decibels = (self.gains.detach() * 8.686).round(decimals=1)
        noise = (self.luma_noise.detach().exp() * 255).round(decimals=2)
        chroma = (self.chroma_noise.detach().exp() * 255).round(decimals=2)
        return {
            "gains_db": decibels.tolist(),
            "luma_noise": noise.tolist(),
            "chroma_noise": chroma.tolist(),
            "chroma_blur": [round(torch.sigmoid(self.chroma_blur).item(), 2)],
            "spread": [round(value, 2) for value in self.spread.detach().exp().tolist()],
        }


def _curves(knots: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(knots[None], LEVELS, mode="linear", align_corners=True)[0]


def _chroma_bands(white_nchw: torch.Tensor) -> Iterator[torch.Tensor]:
    """Return chroma noise in two bands."""
    colour = white_nchw - texture_view(white_nchw)
    middle, coarse = (blurred(colour, sigma) for sigma in CHROMA_PX[1:])
    yield colour - middle
    yield middle - coarse


def fit_camera(
    sources: Iterator[torch.Tensor],
    targets: Iterator[torch.Tensor],
    features: FrozenFeatures,
    steps: int,
    device: torch.device,
) -> tuple[Camera, list[float]]:
    """Match sliced distributions of local statistics and frozen features; return the model and distances."""
    camera = Camera().to(device)
    optimiser = torch.optim.Adam(camera.parameters(), lr=0.05, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, 0.005)
    distances = []
    for step in range(steps):
        source, target = next(sources), next(targets)
        degraded = camera(target)
        distance = sliced_distance(_local(degraded), _local(source))
        fake, real = features(degraded), features(source)
        for one, other in list(zip(fake, real, strict=True))[:2]:
            distance = distance + 0.5 * sliced_distance(one.float(), other.float())
        optimiser.zero_grad(set_to_none=True)
        distance.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 0 or step == steps - 1:
            distances.append(round(distance.item(), 4))
    return camera.requires_grad_(False), distances


def _local(photos_nchw: torch.Tensor) -> torch.Tensor:
    """Return statistics per pixel: luma bands, their activity, colour bands, brightness."""
    luma = texture_view(photos_nchw)
    split = bands(luma)
    colour = photos_nchw - luma
    middle, coarse = (blurred(colour, sigma) for sigma in CHROMA_PX[1:])
    chroma = torch.cat([(colour - middle)[:, ::2], (middle - coarse)[:, ::2]], 1)
    return torch.cat([50 * split, 8 * activity(split), 100 * chroma, luma], dim=1)


def sliced_distance(values_nchw: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return the mean 1-Wasserstein distance over random directions and axes, at random pixels of both."""
    channels = values_nchw.shape[1]
    directions = functional.normalize(torch.randn(channels, DIRECTIONS, device=values_nchw.device), dim=0)
    axes = torch.eye(channels, device=values_nchw.device)[:, :DIRECTIONS]
    directions = torch.cat([directions, axes], dim=1)
    one, other = (_places(side) @ directions for side in (values_nchw, others))
    count = min(len(one), len(other))
    return (one[:count].sort(0).values - other[:count].sort(0).values).abs().mean()


def _places(values_nchw: torch.Tensor) -> torch.Tensor:
    flat = values_nchw.movedim(1, -1).reshape(-1, values_nchw.shape[1])
    if len(flat) <= PLACES:
        return flat[torch.randperm(len(flat), device=flat.device)]
    return flat[torch.randint(len(flat), (PLACES,), device=flat.device)]
