"""What a photo program's one button does without learning: the stand-in for a commercial auto-enhance."""

import numpy as np
from skimage.exposure import equalize_adapthist

from wespe.metrics.planes import luma

CLIPPED_PERCENT = 0.5  # of the luma at either end
CONTRAST_LIMIT = 0.01


def auto_enhance(photo_hwc: np.ndarray) -> np.ndarray:
    """Grey world, then autocontrast, then CLAHE on the luma, of a uint8 RGB photo."""
    return _local_contrast(_auto_contrast(_grey_world(photo_hwc)))


def _grey_world(photo_hwc: np.ndarray) -> np.ndarray:
    """Scale the channels to one mean (Buchsbaum 1980); a black photo stays as it is."""
    means = photo_hwc.mean(axis=(0, 1))
    return _apply_curves(photo_hwc, [np.arange(256) * means.mean() / max(mean, 1) for mean in means])


def _auto_contrast(photo_hwc: np.ndarray) -> np.ndarray:
    """Stretch all channels alike, so that the luma spans black to white and no colour shifts."""
    low, high = np.percentile(luma(photo_hwc), [CLIPPED_PERCENT, 100 - CLIPPED_PERCENT])
    if high - low < 1:  # a flat photo has no contrast to stretch
        return photo_hwc
    return _apply_curves(photo_hwc, [(np.arange(256) - low) * 255 / (high - low)] * 3)


def _local_contrast(photo_hwc: np.ndarray) -> np.ndarray:
    """Contrast-limited adaptive histogram equalisation (Zuiderveld 1994) by scikit-image; chroma stays."""
    before = luma(photo_hwc)
    if before.min() == before.max():
        return photo_hwc
    after = np.rint(255 * equalize_adapthist(before, clip_limit=CONTRAST_LIMIT)).astype(np.int16)
    return (photo_hwc + (after - before)[..., None]).clip(0, 255).astype(np.uint8)


def _apply_curves(photo_hwc: np.ndarray, curves: list[np.ndarray]) -> np.ndarray:
    """Look every level up in its channel's curve."""
    tables = [np.rint(curve).clip(0, 255).astype(np.uint8) for curve in curves]
    return np.stack([table[photo_hwc[..., channel]] for channel, table in enumerate(tables)], axis=-1)
