"""Self checks: how an enhanced photo differs from its source. They need no truth; the gates use them.

Photos are `photo_hwc` uint8 RGB arrays of the same shape.
"""

from collections.abc import Callable

import numpy as np

from wespe.metrics.full_reference import CEILING_DB, psnr
from wespe.metrics.planes import luma

ROUNDING = 12**-0.5  # standard deviation of rounding to 8 bits, in levels; the lowest noise that counts
CONTRAST = 5.0  # colour planes with a lower standard deviation, in levels, are mostly noise
BLOCK_PX = 16
FLAT_SHARE = 0.1
DARK, BRIGHT = 10, 245  # noise is not clipped in blocks with a mean between these levels
TILE_PX = 256
MARGIN_PX = 32  # larger than the receptive field of the networks in this project

Enhance = Callable[[np.ndarray], np.ndarray]


def fidelity(enhanced_hwc: np.ndarray, source_hwc: np.ndarray) -> float:
    """PSNR in dB of the enhanced photo against its source, at most `CEILING_DB`."""
    return min(psnr(enhanced_hwc, source_hwc), CEILING_DB)


def noise_gain(enhanced_hwc: np.ndarray, source_hwc: np.ndarray) -> float:
    """Standard deviation of noise in flat areas, enhanced divided by source; 1 means no change.

    Flat areas are the tenth of the source's blocks with the smallest deviation from a fitted plane; clipped
    blocks are excluded.
    """
    before, exposed = _block_noise(source_hwc)
    after, still_exposed = _block_noise(enhanced_hwc)
    usable = np.flatnonzero(exposed & still_exposed)
    if not usable.size:
        usable = np.arange(len(before))
    flat = usable[np.argsort(before[usable], kind="stable")[: max(1, int(FLAT_SHARE * len(usable)))]]
    # The median, since an enhancer may carry texture from nearby into a few flat blocks.
    noise, source_noise = (max(float(np.sqrt(np.median(v[flat]))), ROUNDING) for v in (after, before))
    return noise / source_noise


def colour_correlation(enhanced_hwc: np.ndarray, source_hwc: np.ndarray) -> float:
    """Lowest Pearson correlation with the source over luma and two opponent colour planes, −1 to 1.

    Below 0, colours are inverted. Planes with less than `CONTRAST` in the source are ignored; 1 if all are.
    """
    pairs = zip(_opponents(enhanced_hwc), _opponents(source_hwc), strict=True)
    return min((_correlation(a, b) for a, b in pairs if np.std(b, dtype=np.float64) >= CONTRAST), default=1.0)


def contrast_ratio(enhanced_hwc: np.ndarray, source_hwc: np.ndarray) -> float:
    """Lowest ratio of standard deviations, enhanced to source, over luma and two opponent colour planes.

    Near 0, the photo has become flat or its colours grey. Planes with less than `CONTRAST` in the source are
    ignored; 1 if all are.
    """
    pairs = zip(_opponents(enhanced_hwc), _opponents(source_hwc), strict=True)
    deviations = [tuple(float(np.std(plane, dtype=np.float64)) for plane in pair) for pair in pairs]
    return min((after / before for after, before in deviations if before >= CONTRAST), default=1.0)


def tile_difference(enhance: Enhance, source_hwc: np.ndarray, enhanced_hwc: np.ndarray) -> float:
    """Mean difference in levels between a tile of the enhanced photo and the same tile enhanced alone.

    0 if tiles can be enhanced separately. The tile's margin is ignored, since it lacks its surroundings.
    """
    tile, inside = _tile(source_hwc.shape)
    enhanced_tile = enhance(np.ascontiguousarray(source_hwc[tile]))
    difference = enhanced_tile[inside].astype(np.float32) - enhanced_hwc[tile][inside]
    return float(np.mean(np.abs(difference)))


def _block_noise(photo_hwc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return per block the variance around a fitted plane (mean over RGB), and whether it is unclipped."""
    side = min(BLOCK_PX, *photo_hwc.shape[:2])
    slope = np.arange(side, dtype=np.float32) - (side - 1) / 2
    slope /= np.sqrt(side * np.square(slope).sum())
    variances, means = [], []
    for channel in range(3):
        blocks = _blocks(photo_hwc[..., channel], side)
        means.append(blocks.mean(axis=(1, 2)))
        blocks -= means[-1][:, None, None]
        tilts = np.stack([blocks.sum(axis=2) @ slope, blocks.sum(axis=1) @ slope])
        squares = np.einsum("nij,nij->n", blocks, blocks) - np.square(tilts).sum(axis=0)
        variances.append(np.maximum(squares, 0) / side**2)
    exposed = (np.min(means, axis=0) >= DARK) & (np.max(means, axis=0) <= BRIGHT)
    return np.mean(variances, axis=0), exposed


def _blocks(plane: np.ndarray, side: int) -> np.ndarray:
    """Cut a plane into (n, side, side) float32; incomplete blocks at the right and bottom are dropped."""
    rows, columns = (length // side for length in plane.shape)
    whole = plane[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return whole.swapaxes(1, 2).astype(np.float32).reshape(-1, side, side)


def _opponents(photo_hwc: np.ndarray) -> list[np.ndarray]:
    """Luma, red − green and yellow − blue, in levels."""
    red, green, blue = (photo_hwc[..., channel].astype(np.float32) for channel in range(3))
    return [luma(photo_hwc).astype(np.float32), red - green, (red + green) / 2 - blue]


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = (plane - plane.mean(dtype=np.float64).astype(np.float32) for plane in (a, b))
    spread = np.sqrt(float(np.vdot(a, a)) * float(np.vdot(b, b)))
    return float(np.vdot(a, b)) / spread if spread else 0.0


def _tile(shape: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the centre tile, and the area inside its margin. Small photos get a smaller tile."""
    tile, inside = [], []
    for length in shape[:2]:
        side = min(TILE_PX, max(1, length * 3 // 4))
        start = (length - side) // 2 // BLOCK_PX * BLOCK_PX  # downsampling networks need a multiple of 16
        margin = min(MARGIN_PX, side // 4)
        tile.append(slice(start, start + side))
        inside.append(slice(margin, side - margin))
    return (tile[0], tile[1]), (inside[0], inside[1])
