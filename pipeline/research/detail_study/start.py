"""The initial colour and texture transform of lut_residual, fitted to this study's sets."""

from collections.abc import Sequence

import numpy as np
import torch

from pipeline.research.detail_study.photo_sets import (
    Photos,
    PhotoSet,
    as_pixels,
    as_tensor,
    draw_patches,
)
from wespe.batch import Batch
from wespe.methods.lut_residual import LutResidual, LutResidualConfig
from wespe.set_match import distinct, fit_start, fit_texture

START_PATCHES = 2048
CHUNK = 64


class Start:
    """photos → photos after the colour transform, with or without the texture transform."""

    def __init__(self, photos: PhotoSet, seed: int, device: torch.device, count: int = START_PATCHES):
        self.device = device
        self.model = LutResidual.of(LutResidualConfig()).to(device).eval().requires_grad_(False)
        sources = self._drawn(photos.source, count, seed)
        toned = sources + (self._drawn(photos.tones, count // 2, seed + 1) if photos.tones.pixels else [])
        targets = self._drawn(photos.target, count, seed + 2)
        paired = zip(_as_many(toned, targets), _as_many(targets, toned), strict=True)
        batches = [Batch(source, target, len(source)) for source, target in paired]
        fit_start(self.model.colour, self.model.texture, batches, _alone)
        # Fit texture at the original scale, since half-size photos have another texture.
        started = (self.model.colour.start(patches) for patches in distinct(sources))
        fit_texture(self.model.texture, started, distinct(targets), _alone)

    def _drawn(self, photos: Photos, count: int, seed: int) -> list[torch.Tensor]:
        return list(draw_patches(photos, count, 96, seed, self.device)[0].split(CHUNK))

    @torch.no_grad()
    def __call__(self, photos_nchw: torch.Tensor, *, texture: bool) -> torch.Tensor:
        pieces = photos_nchw.split(CHUNK)
        enhance = (lambda piece: self.model.textured(piece)[0]) if texture else self.model.colour.start
        return torch.cat([enhance(piece) for piece in pieces]).clamp(0, 1)


def _as_many(batches: list[torch.Tensor], others: list[torch.Tensor]) -> list[torch.Tensor]:
    """Pad the shorter side by repeating its last batch; `fit_start` ignores duplicates."""
    return batches + batches[-1:] * (len(others) - len(batches))


def _alone(values: torch.Tensor) -> torch.Tensor:
    return values[None]


@torch.no_grad()
def enhanced_photos(
    photos: Sequence[np.ndarray],
    start: Start,
    network: torch.nn.Module | None,
    *,
    texture: bool,
) -> list[np.ndarray]:
    """Enhance uint8 photos, in batches of the same shape."""
    result: dict[int, np.ndarray] = {}
    shapes: dict[tuple[int, ...], list[int]] = {}
    for index, photo in enumerate(photos):
        shapes.setdefault(photo.shape, []).append(index)
    for same in shapes.values():
        for at in range(0, len(same), CHUNK):
            chunk = same[at : at + CHUNK]
            started = start(as_tensor(np.stack([photos[i] for i in chunk]), start.device), texture=texture)
            done = as_pixels(started if network is None else network(started))
            result |= dict(zip(chunk, done, strict=True))
    return [result[index] for index in range(len(photos))]
