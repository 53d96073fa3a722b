"""Scores that need no reference. Photos are `photo_hwc` uint8 RGB arrays.

Entropy, PNG size and sharpness rise with detail and with noise, so always read them together with `noise`.
"""

from io import BytesIO

import numpy as np
from PIL import Image
from scipy.ndimage import convolve, uniform_filter1d

from wespe.metrics.planes import luma

JPEG_BLOCK_PX = 8
BLUR_PX = 11  # size of the box blur in `sharpness`
PNG_PIXELS = 2**19  # sample size; its result is within 4 % of the whole photo's (15 photos of 1 to 3 MP)
PNG_BAND_ROWS = 32


def entropy(photo_hwc: np.ndarray) -> float:
    """Shannon entropy of the 8-bit luma in bits, 0–8."""
    counts = np.bincount(luma(photo_hwc).ravel())
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def png_bpp(photo_hwc: np.ndarray) -> float:
    """Bits per pixel of the photo as a PNG file (Pillow's default compression).

    Large photos are measured on evenly spaced bands of rows. This is accurate, since PNG compression only
    looks back a few rows.
    """
    sample, file = _bands(photo_hwc), BytesIO()
    Image.fromarray(sample).save(file, format="PNG")
    return 8 * file.tell() / (sample.shape[0] * sample.shape[1])


def noise(photo_hwc: np.ndarray) -> float:
    """Estimated standard deviation of Gaussian noise in the luma, in 8-bit levels (Immerkær 1996).

    Fine texture counts as noise too: compare photos of the same scene only. Needs 3×3 px or more.
    """
    laplacians = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
    response = convolve(luma(photo_hwc).astype(np.float32), laplacians)[1:-1, 1:-1]
    return float(np.sqrt(np.pi / 2) / 6 * np.mean(np.abs(response), dtype=np.float64))


def sharpness(photo_hwc: np.ndarray) -> float:
    """Share of luma changes that a blur removes, 0–1: 1 − the blur metric of Crété-Roffet et al. 2007.

    Independent of contrast. 0 for a photo without edges along an axis. Needs at least 3×3 px. Agrees with
    1 − scikit-image's `blur_effect` to 1e-4 and takes a third of the time.
    """
    plane = luma(photo_hwc).astype(np.float32)
    return min(_removed_by_blur(plane), _removed_by_blur(plane.T))


def clipping(photo_hwc: np.ndarray) -> float:
    """Share of pixels, 0–1, with a channel at 0 or 255, where detail may be lost."""
    clipped = photo_hwc + np.uint8(1) < 2  # 255 wraps around to 0
    return float(np.mean(clipped[..., 0] | clipped[..., 1] | clipped[..., 2]))


def blockiness(photo_hwc: np.ndarray) -> float:
    """Mean luma step at the borders of JPEG's 8×8 blocks divided by that inside them: 1 means no grid.

    This is B / A of Wang, Sheikh & Bovik 2002 over both directions; independent of contrast. The grid is
    assumed to start at the top left, so grids in cropped, rotated or scaled photos are not detected. 1 for a
    flat photo, infinite if all steps are on the grid. Needs at least 9×9 px.
    """
    brightness = luma(photo_hwc).astype(np.int16)
    across = inside = 0.0
    for plane in (brightness, brightness.T):
        steps = np.abs(np.diff(plane, axis=1)).mean(axis=0)
        on_grid = np.arange(1, plane.shape[1]) % JPEG_BLOCK_PX == 0
        across += steps[on_grid].mean()
        inside += steps[~on_grid].mean()
    if not inside:
        return float("inf") if across else 1.0
    return float(across / inside)


def colourfulness(photo_hwc: np.ndarray) -> float:
    """Colourfulness M3 of Hasler & Süsstrunk 2003: 0 is grey, about 109 extremely colourful."""
    red, green, blue = np.moveaxis(photo_hwc.astype(np.float32), -1, 0)
    opponents = [red - green, (red + green) / 2 - blue]
    spread = np.linalg.norm([np.std(o, dtype=np.float64) for o in opponents])
    offset = np.linalg.norm([np.mean(o, dtype=np.float64) for o in opponents])
    return float(spread + 0.3 * offset)


def _bands(photo_hwc: np.ndarray) -> np.ndarray:
    """Return the photo; of a large photo, evenly spaced bands of rows with about `PNG_PIXELS` pixels."""
    height, width = photo_hwc.shape[:2]
    count = max(1, PNG_PIXELS // (PNG_BAND_ROWS * width))
    if count * PNG_BAND_ROWS >= height:
        return photo_hwc
    tops = np.linspace(0, height - PNG_BAND_ROWS, count).round().astype(int)
    return np.concatenate([photo_hwc[top : top + PNG_BAND_ROWS] for top in tops])


def _removed_by_blur(plane: np.ndarray) -> float:
    """Return the share of vertical changes that a vertical blur removes."""
    changes = _changes(plane)
    blurred = _changes(uniform_filter1d(plane, BLUR_PX, axis=0))
    total = float(changes.sum(dtype=np.float64))
    return float(np.maximum(changes - blurred, 0).sum(dtype=np.float64)) / total if total else 0.0


def _changes(plane: np.ndarray) -> np.ndarray:
    """Return the magnitude of the vertical Sobel derivative, without a border of 2 px."""
    smooth = plane[:, :-2] + 2 * plane[:, 1:-1] + plane[:, 2:]
    return np.abs(smooth[2:] - smooth[:-2])[1:, 1:]
