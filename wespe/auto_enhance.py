"""Auto-enhance without learning: a baseline in place of a photo program's one-click correction."""

import numpy as np
from skimage.exposure import equalize_adapthist

from wespe.metrics.planes import luma

CLIPPED_PERCENT = 0.5  # percentage of luma values that is clipped at either end
CONTRAST_LIMIT = 0.01


def auto_enhance(photo_hwc: np.ndarray) -> np.ndarray:
    """Apply grey world, autocontrast and CLAHE on the luma to a uint8 RGB photo."""
    return _local_contrast(_auto_contrast(_grey_world(photo_hwc)))


def _grey_world(photo_hwc: np.ndarray) -> np.ndarray:
    """Scale all channels to the same mean (Buchsbaum 1980). A black photo does not change."""
    means = photo_hwc.mean(axis=(0, 1))
    return _apply_curves(photo_hwc, [np.arange(256) * means.mean() / max(mean, 1) for mean in means])


def _auto_contrast(photo_hwc: np.ndarray) -> np.ndarray:
    """Stretch all channels by the same factor, so that luma spans black to white and hues do not shift."""
    low, high = np.percentile(luma(photo_hwc), [CLIPPED_PERCENT, 100 - CLIPPED_PERCENT])
    if high - low < 1:  # a flat photo has no contrast to stretch
        return photo_hwc
    return _apply_curves(photo_hwc, [(np.arange(256) - low) * 255 / (high - low)] * 3)


def _local_contrast(photo_hwc: np.ndarray) -> np.ndarray:
    """Apply CLAHE (Zuiderveld 1994, scikit-image) to the luma; chroma does not change."""
    before = luma(photo_hwc)
    if before.min() == before.max():
        return photo_hwc
    after = np.rint(255 * equalize_adapthist(before, clip_limit=CONTRAST_LIMIT)).astype(np.int16)
    return (photo_hwc + (after - before)[..., None]).clip(0, 255).astype(np.uint8)


def _apply_curves(photo_hwc: np.ndarray, curves: list[np.ndarray]) -> np.ndarray:
    """Apply one curve (256,) to each channel."""
    tables = [np.rint(curve).clip(0, 255).astype(np.uint8) for curve in curves]
    return np.stack([table[photo_hwc[..., channel]] for channel, table in enumerate(tables)], axis=-1)
