"""LPIPS with SqueezeNet 1.1: learned perceptual distance between two photos (Zhang et al. 2018)."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from wespe.batch import photos_nchw
from wespe.networks.features import ContentConfig, Features, read_weights

CHANNELS = {1: 64, 4: 128, 7: 256, 9: 384, 10: 384, 11: 512, 12: 512}  # layer → channels
LINEAR = "lin{}.model.1.weight"  # the authors' name of the weights, (1, channels, 1, 1)
TILE_PX = 1024  # the features of larger tiles may not fit in memory


class Lpips:
    """Learned perceptual distance of a photo from its truth: 0 is identical, 0.5 is clearly different.

    backbone: .safetensors file with torchvision's ImageNet SqueezeNet 1.1.
    linear: .safetensors file with the authors' linear layers.
    Raises: ValueError naming the file and the tensor that is missing or has the wrong shape.
    """

    def __init__(self, backbone: Path, linear: Path, device: str = "cpu"):
        layers = {f"features_{layer}": 1.0 for layer in CHANNELS}
        config = ContentConfig(backbone="squeezenet1_1", layers=layers, weights=str(backbone))
        self.features = Features(config, read_weights(backbone, config)).to(device)
        self.linear = [weights.to(device) for weights in _read_linear(linear)]
        self.device = torch.device(device)

    def __call__(self, photo_hwc: np.ndarray, truth_hwc: np.ndarray) -> float:
        """Compare uint8 photos of the same shape, at least 32 px a side; large photos in tiles, by area."""
        if photo_hwc.shape != truth_hwc.shape:
            raise ValueError(
                f"LPIPS needs photos of the same shape, not {photo_hwc.shape} and {truth_hwc.shape}"
            )
        total = sum(
            len(rows) * len(columns) * self._distance(photo_hwc[at], truth_hwc[at])
            for rows in _pieces(photo_hwc.shape[0])
            for columns in _pieces(photo_hwc.shape[1])
            for at in [np.s_[rows.start : rows.stop, columns.start : columns.stop]]
        )
        return total / (photo_hwc.shape[0] * photo_hwc.shape[1])

    @torch.inference_mode()
    def _distance(self, photo_hwc: np.ndarray, truth_hwc: np.ndarray) -> float:
        pair = [photos_nchw(torch.tensor(photo)[None], self.device) for photo in (photo_hwc, truth_hwc)]
        seen = zip(*(self.features(photo) for photo in pair), strict=True)
        distances = [
            ((_unit(a) - _unit(b)).square() * weights).sum(dim=1).mean()
            for (a, b), weights in zip(seen, self.linear, strict=True)
        ]
        return float(torch.stack(distances).sum())


def _unit(features_nchw: torch.Tensor) -> torch.Tensor:
    """Scale the feature vector at each pixel to length 1."""
    return features_nchw / (features_nchw.square().sum(dim=1, keepdim=True) + 1e-8).sqrt()


def _pieces(length: int) -> list[range]:
    """Divide a side into equal pieces of at most `TILE_PX`."""
    count = -(-length // TILE_PX)
    edges = [length * number // count for number in range(count + 1)]
    return [range(start, stop) for start, stop in pairwise(edges)]


def _read_linear(path: Path) -> list[torch.Tensor]:
    try:
        stored: Mapping[str, torch.Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else error
        raise ValueError(f"{path} cannot be read as safetensors: {reason}") from None
    weights = []
    for number, channels in enumerate(CHANNELS.values()):
        name = LINEAR.format(number)
        shape = tuple(stored[name].shape) if name in stored else "none"
        if shape != (1, channels, 1, 1):
            raise ValueError(f"{path}: {name} must have shape {(1, channels, 1, 1)}, but it has {shape}")
        weights.append(stored[name].float())
    return weights
