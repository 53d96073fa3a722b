"""A degradation model of a camera, learned from two unpaired sets, so that its inverse can be trained.

It reduces detail depending on local activity, blurs colour, and adds noise to luma and colour depending on
brightness. It is fitted by gradient descent, so that degraded target patches match the source's local
statistics.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import nn
from torch.nn import functional

from wespe.networks.activity import activity, bands, blurred
from wespe.networks.tone import LEVELS, apply_curves
from wespe.views import texture_view

Features = Callable[[torch.Tensor], Sequence[torch.Tensor]]

BANDS, ACTIVITY_KNOTS, LUMA_KNOTS = 3, 8, 5
CHROMA_PX = (1.0, 3.0)  # deviations of the Gaussians between the bands of noise in colour
SOFT_PX = 2.0  # of the blur of colour
LEAST_NOISE = 3e-4  # of 0–1
DIRECTIONS, PLACES = 32, 4096
FIRST_LAYERS = 2
FIRST_RATE, LAST_RATE = 0.05, 0.005


class Degradation(nn.Module):
    """photos_nchw of the target, 0–1 → the same photos as if taken by the camera."""

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

    def forward(
        self, photos_nchw: torch.Tensor, random: torch.Generator | None = None, noise: float = 1.0
    ) -> torch.Tensor:
        """random: on the photos' device. noise: times as much as the camera's photos have."""
        with torch.autocast(photos_nchw.device.type, enabled=False):
            draw = _Draw(photos_nchw.device, random)
            strengths = draw(2, len(photos_nchw), 1, 1, 1) * self.spread.exp()[:, None, None, None, None]
            detail, loud = strengths.exp().unbind(0)
            luma = texture_view(photos_nchw)
            split = bands(luma)
            gains = apply_curves(activity(split), _curves(self.gains)) * detail
            weak = luma + (split * (gains.clamp(-4, 1.1).exp() - 1)).sum(1, keepdim=True)
            colour = photos_nchw - luma
            colour = torch.lerp(colour, blurred(colour, SOFT_PX), torch.sigmoid(self.chroma_blur))
            return (weak + colour + noise * loud * self._noise(weak, draw)).clamp(0, 1)

    def _noise(self, luma: torch.Tensor, draw: "_Draw") -> torch.Tensor:
        loudness = apply_curves(luma.expand(-1, BANDS, -1, -1), _curves(self.luma_noise)).exp()
        white = bands(draw(*luma.shape)) * self.scales[:, None, None]
        grey = ((loudness + LEAST_NOISE) * white).sum(1, keepdim=True)
        count, _, height, width = luma.shape
        split = _chroma_bands(draw(count, 3, height, width))
        weights = (self.chroma_noise.exp() + LEAST_NOISE) * self.chroma_scales
        return grey + sum(weight * band for weight, band in zip(weights, split, strict=True))

    def described(self) -> dict[str, list]:
        """Return the learned parameters: gains in dB, noise in 8-bit levels."""
        levels = [
            (noise.detach().exp() * 255).round(decimals=2) for noise in (self.luma_noise, self.chroma_noise)
        ]
        return {
            "gains_db": (self.gains.detach() * 8.686).round(decimals=1).tolist(),
            "luma_noise": levels[0].tolist(),
            "chroma_noise": levels[1].tolist(),
            "chroma_blur": [round(torch.sigmoid(self.chroma_blur).item(), 2)],
            "spread": [round(value, 2) for value in self.spread.detach().exp().tolist()],
        }


class _Draw:
    """Return normally distributed random numbers on a device."""

    def __init__(self, device: torch.device, random: torch.Generator | None):
        self.device, self.random = device, random

    def __call__(self, *shape: int) -> torch.Tensor:
        return torch.randn(shape, device=self.device, generator=self.random)


def _curves(knots: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(knots[None], LEVELS, mode="linear", align_corners=True)[0]


def _chroma_bands(white_nchw: torch.Tensor) -> Iterator[torch.Tensor]:
    """Return chroma noise in two bands."""
    colour = white_nchw - texture_view(white_nchw)
    middle, coarse = (blurred(colour, sigma) for sigma in CHROMA_PX)
    yield colour - middle
    yield middle - coarse


@torch.enable_grad()
def fit_degradation(
    degradation: Degradation,
    sources: Sequence[torch.Tensor],
    targets: Sequence[torch.Tensor],
    features: Features,
    steps: int,
) -> list[float]:
    """Fit the model in place to batches of both sets, used in turn; return the distance at each step.

    The loss is the sliced distance between distributions of local statistics, and half of that between
    features of the first layers. The same random numbers are drawn in every call.
    """
    device = sources[0].device
    random = torch.Generator(device).manual_seed(0)
    optimiser = torch.optim.Adam(degradation.parameters(), lr=FIRST_RATE, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, LAST_RATE)
    distances = []
    for step in range(steps):
        source, target = sources[step % len(sources)], targets[step % len(targets)]
        degraded = degradation(target, random)
        distance = sliced_distance(_local(degraded), _local(source), random)
        layers = zip(features(degraded)[:FIRST_LAYERS], features(source), strict=False)
        for one, other in layers:
            distance = distance + 0.5 * sliced_distance(one.float(), other.float(), random)
        optimiser.zero_grad(set_to_none=True)
        distance.backward()
        optimiser.step()
        schedule.step()
        distances.append(distance.item())
    return distances


def _local(photos_nchw: torch.Tensor) -> torch.Tensor:
    """Return statistics per pixel, similarly scaled: luma bands, their activity, colour bands, brightness."""
    luma = texture_view(photos_nchw)
    split = bands(luma)
    chroma = torch.cat([band[:, ::2] for band in _chroma_bands(photos_nchw)], dim=1)
    return torch.cat([50 * split, 8 * activity(split), 100 * chroma, luma], dim=1)


def sliced_distance(
    values_nchw: torch.Tensor, others: torch.Tensor, random: torch.Generator | None = None
) -> torch.Tensor:
    """Return the mean 1-Wasserstein distance over random directions and axes, at random pixels of both."""
    channels, device = values_nchw.shape[1], values_nchw.device
    directions = torch.randn(channels, DIRECTIONS, device=device, generator=random)
    axes = torch.eye(channels, device=device)[:, :DIRECTIONS]
    directions = torch.cat([functional.normalize(directions, dim=0), axes], dim=1)
    one, other = (_places(side, random) @ directions for side in (values_nchw, others))
    count = min(len(one), len(other))
    return (one[:count].sort(0).values - other[:count].sort(0).values).abs().mean()


def _places(values_nchw: torch.Tensor, random: torch.Generator | None) -> torch.Tensor:
    flat = values_nchw.movedim(1, -1).reshape(-1, values_nchw.shape[1])
    if len(flat) <= PLACES:
        return flat[torch.randperm(len(flat), device=flat.device, generator=random)]
    return flat[torch.randint(len(flat), (PLACES,), device=flat.device, generator=random)]
