"""The probe: describes photos by frozen features, by which a classifier may tell two sets apart."""

import numpy as np
import torch

from wespe.batch import photos_nchw
from wespe.metrics.two_samples import PATCHES
from wespe.networks.features import Features

PATCH_PX, LEAST_PX, CHUNK = 96, 32, 64  # smaller photos leave nothing of the last layers


class Probe:
    """Describes photos by means and deviations of frozen features.

    features: whose layers are used. device: where they are.
    """

    def __init__(self, features: Features, device: torch.device | str = "cpu"):
        self.features, self.device = features, device

    def __call__(self, photo_hwc: np.ndarray, seed: int) -> np.ndarray:
        """Return features (PATCHES, d) of random patches of a uint8 photo; one below LEAST_PX is mirrored."""
        short = [max(0, LEAST_PX - length) for length in photo_hwc.shape[:2]]
        photo_hwc = np.pad(photo_hwc, ((0, short[0]), (0, short[1]), (0, 0)), mode="symmetric")
        rng, side = np.random.default_rng(seed), min(PATCH_PX, *photo_hwc.shape[:2])
        corners = rng.integers(np.subtract(photo_hwc.shape[:2], side - 1), size=(PATCHES, 2))
        return self.describe(np.stack([photo_hwc[y : y + side, x : x + side] for y, x in corners]))

    @torch.inference_mode()
    def describe(self, patches_nhwc: np.ndarray) -> np.ndarray:
        """Return features (n, d) of uint8 patches."""
        found = [self._of(part) for part in torch.from_numpy(patches_nhwc).split(CHUNK)]
        return torch.cat(found).cpu().numpy()

    def _of(self, patches_nhwc: torch.Tensor) -> torch.Tensor:
        found = self.features(photos_nchw(patches_nhwc, self.device))
        layers = [layer.flatten(2).double() for layer in found]
        return torch.cat(
            [part for layer in layers for part in (layer.mean(2), layer.std(2, correction=0))], 1
        )
