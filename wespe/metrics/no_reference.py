"""Scores of a photo by itself. Photos are `photo_hwc` uint8 RGB arrays.

Entropy and PNG size rise with detail and with noise alike, so `noise` always stands beside them.
"""

from io import BytesIO

import numpy as np
from PIL import Image
from scipy.ndimage import convolve
from skimage.measure import shannon_entropy


def entropy(photo_hwc: np.ndarray) -> float:
    """Shannon entropy of the 8-bit luma in bits, 0–8."""
    return float(shannon_entropy(_luma(photo_hwc)))


def png_bpp(photo_hwc: np.ndarray) -> float:
    """Bits per pixel of the photo as a PNG file (Pillow's default compression)."""
    file = BytesIO()
    Image.fromarray(photo_hwc).save(file, format="PNG")
    return 8 * file.tell() / (photo_hwc.shape[0] * photo_hwc.shape[1])


def noise(photo_hwc: np.ndarray) -> float:
    """Estimated standard deviation of Gaussian noise in the luma, in 8-bit levels (Immerkær 1996).

    Fine texture counts as noise too: compare photos of the same scene only. Needs 3×3 px or more.
    """
    laplacians = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
    response = convolve(_luma(photo_hwc).astype(np.float32), laplacians)[1:-1, 1:-1]
    return float(np.sqrt(np.pi / 2) / 6 * np.mean(np.abs(response), dtype=np.float64))


def colourfulness(photo_hwc: np.ndarray) -> float:
    """Colourfulness M3 of Hasler & Süsstrunk 2003: 0 is grey, about 109 extremely colourful."""
    red, green, blue = np.moveaxis(photo_hwc.astype(np.float32), -1, 0)
    opponents = [red - green, (red + green) / 2 - blue]
    spread = np.linalg.norm([np.std(o, dtype=np.float64) for o in opponents])
    offset = np.linalg.norm([np.mean(o, dtype=np.float64) for o in opponents])
    return float(spread + 0.3 * offset)


def _luma(photo_hwc: np.ndarray) -> np.ndarray:
    """Luma as 8 bits: 0.299 R + 0.587 G + 0.114 B."""
    return np.asarray(Image.fromarray(photo_hwc).convert("L"))
