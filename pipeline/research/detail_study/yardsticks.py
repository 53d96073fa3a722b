"""Baselines: untouched, histogram match, the initial transform, and DPED's published paired network."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from pipeline.research.detail_study.photo_sets import PhotoSet, as_pixels, as_tensor
from pipeline.research.detail_study.scores import Enhance
from pipeline.research.detail_study.start import Start, enhanced_photos
from wespe.histogram_match import HistogramMatch
from wespe.networks.resnet import ResNet, ResNetConfig
from wespe.views import BlurConfig, colour_view, gaussian_kernel

LOW_PASS = BlurConfig(sigma_px=4, taps=25)


def yardsticks(photos: PhotoSet, start: Start, dped: Path | None) -> Iterator[tuple[str, Enhance]]:
    """Return the baselines by name. dped: published weights, for the camera that they were trained for."""
    yield "untouched", list
    match = HistogramMatch.fit(photos.source.pixels, photos.target.pixels)
    yield "histogram match", lambda sources: [match.enhance(source) for source in sources]
    for texture, name in ((False, "start without texture"), (True, "start")):
        yield name, partial(enhanced_photos, start=start, network=None, texture=texture)
    if dped is not None:
        network = read_dped(dped).to(start.device)
        yield "DPED (paired)", partial(_run, network)
        yield "start's low-pass, DPED's detail", partial(_swapped, start, network)


@torch.no_grad()
def _run(network: nn.Module, sources: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Enhance photos one by one, since instance norm depends on the whole frame."""
    device = next(network.parameters()).device
    return [as_pixels(network(as_tensor(source[None], device)))[0] for source in sources]


@torch.no_grad()
def _swapped(start: Start, network: nn.Module, sources: Sequence[np.ndarray]) -> list[np.ndarray]:
    kernel = gaussian_kernel(LOW_PASS).to(start.device)
    mixed = []
    for source in sources:
        photo = as_tensor(source[None], start.device)
        low, paired = start(photo, texture=True), network(photo)
        mixed.append(as_pixels(colour_view(low, kernel) + paired - colour_view(paired, kernel))[0])
    return mixed


def read_dped(path: Path) -> ResNet:
    """Build the published generator from arrays in TensorFlow's layout."""
    network = ResNet(ResNetConfig()).eval().requires_grad_(False)
    arrays = {
        name.removeprefix("generator."): torch.from_numpy(array) for name, array in np.load(path).items()
    }
    for number, layer in enumerate((m for m in network.modules() if isinstance(m, nn.Conv2d)), 1):
        layer.weight.data = arrays[f"W{number}"].permute(3, 2, 0, 1).contiguous()
        layer.bias.data = arrays[f"b{number}"]  # type: ignore[union-attr]
    for number, norm in enumerate(m for m in network.modules() if isinstance(m, nn.InstanceNorm2d)):
        first, second = (f"Variable_{2 * number + i}" if 2 * number + i else "Variable" for i in range(2))
        norm.bias.data, norm.weight.data = arrays[first], arrays[second]
    return network
