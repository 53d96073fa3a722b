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
from wespe.methods.lut_residual import LutResidual, LutResidualConfig
from wespe.sample import Sample
from wespe.set_match import fit_start, fit_texture

START_PATCHES = 2048
CHUNK = 64


class Start:
    """photos → photos after the colour transform, with or without the texture transform."""

    def __init__(self, photos: PhotoSet, seed: int, device: torch.device, count: int = START_PATCHES):
        self.device = device
        self.model = LutResidual.of(LutResidualConfig()).to(device).eval().requires_grad_(False)
        source = self._drawn([(photos.source, count)], seed)
        tones = [(photos.tones, count // 2)] if photos.tones.pixels else []
        toned = self._drawn([(photos.source, count), *tones], seed)
        target = self._drawn([(photos.target, count)], seed + 2)
        fit_start(self.model.colour, self.model.texture, toned, target)
        # Fit texture at the original scale, since half-size photos have another texture.
        fit_texture(self.model.texture, source, target, self.model.colour.start)

    def _drawn(self, sets: Sequence[tuple[Photos, int]], seed: int) -> Sample:
        drawn = [
            draw_patches(photos, count, 96, seed + number, self.device)
            for number, (photos, count) in enumerate(sets)
        ]
        names = [name for _, origins in drawn for name in origins]
        patches_nhwc = np.concatenate([as_pixels(patches) for patches, _ in drawn])
        numbers = np.unique(names, return_inverse=True)[1]
        return Sample(torch.from_numpy(patches_nhwc), torch.from_numpy(numbers), self.device)

    @torch.no_grad()
    def __call__(self, photos_nchw: torch.Tensor, *, texture: bool) -> torch.Tensor:
        pieces = photos_nchw.split(CHUNK)
        enhance = (lambda piece: self.model.textured(piece)[0]) if texture else self.model.colour.start
        return torch.cat([enhance(piece) for piece in pieces]).clamp(0, 1)


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
