"""CORNIA: no-reference distortion score, from the strongest responses of a photo's patches to a codebook.

Source: Ye, Kumar, Kang & Doermann 2012, "Unsupervised feature learning framework for no-reference image
quality assessment". Their codebook and regression are not published; `pipeline/research/codebook.py` trains
this project's own, so its scores are comparable with each other, but not with scores printed in papers.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from safetensors.numpy import load, save

from wespe.metrics.natural_scenes import luma

PATCH_PX = 7
PATCHES = 10_000  # per photo, whatever its size, since a maximum grows with the number of patches
CONTRAST_FLOOR = (
    10.0  # added to a patch's variance, so that flat patches do not become pure noise (Coates et al. 2011)
)
WHITENING_FLOOR = 0.01  # added to the variances of whitening, for the same reason
BATCH = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Codebook:
    """The codebook's words, float32.

    centre: (49,), whitening: (49, 49), words: (k, 49), each of length 1.
    """

    centre: np.ndarray
    whitening: np.ndarray
    words: np.ndarray

    def encode(self, photo_hwc: np.ndarray) -> np.ndarray:
        """Return each word's largest and largest negative dot product with any patch, as (2k,).

        This is soft assignment with max pooling (section 3 of the paper). Raises: ValueError for photos with
        a side below 7 px.
        """
        patches = ((sample_patches(photo_hwc) - self.centre) @ self.whitening).T
        highest = np.zeros(len(self.words), np.float32)
        lowest = np.zeros(len(self.words), np.float32)
        for first in range(0, len(self.words), BATCH):  # the responses of one batch fit in the cache
            words = slice(first, first + BATCH)
            responses = self.words[words] @ patches
            highest[words] = responses.max(axis=1, initial=0)
            lowest[words] = responses.min(axis=1, initial=0)
        return np.concatenate([highest, -lowest])


@dataclass(frozen=True, kw_only=True, eq=False)
class Cornia:
    """A codebook and a linear regression on its codes. weights: (2k,) float32."""

    codebook: Codebook
    weights: np.ndarray
    bias: float

    def score(self, photo_hwc: np.ndarray) -> float:
        """Return how distorted a uint8 photo is: about 0 (clean) to 100 (ruined), not clipped."""
        return float(self.codebook.encode(photo_hwc) @ self.weights + self.bias)

    def to_bytes(self, origin: str) -> bytes:
        """Return a safetensors file; its metadata `origin` says who trained it and on what."""
        tensors = {
            "centre": self.codebook.centre,
            "whitening": self.codebook.whitening,
            "words": self.codebook.words,
            "weights": self.weights,
            "bias": np.array([self.bias]),
        }
        return save(tensors, metadata={"origin": origin})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` returned. Raises: SafetensorError, KeyError, ValueError for other data."""
        tensors = load(data)
        pixels, words = PATCH_PX**2, len(tensors["words"])
        wanted = {"centre": (pixels,), "whitening": (pixels, pixels), "words": (words, pixels)}
        for name, shape in (wanted | {"weights": (2 * words,), "bias": (1,)}).items():
            if tensors[name].shape != shape:
                raise ValueError(f"{name} has shape {tensors[name].shape}, expected {shape}; train it again")
        codebook = Codebook(**{name: tensors[name] for name in ("centre", "whitening", "words")})
        return cls(codebook=codebook, weights=tensors["weights"], bias=float(tensors["bias"][0]))


def sample_patches(photo_hwc: np.ndarray, count: int = PATCHES, seed: int = 0) -> np.ndarray:
    """Draw `count` luma patches with replacement, normalised to mean 0 and deviation about 1: (count, 49)."""
    if min(photo_hwc.shape[:2]) < PATCH_PX:
        height, width = photo_hwc.shape[:2]
        raise ValueError(f"CORNIA needs at least {PATCH_PX} px on each side, got {width}x{height}")
    windows = np.lib.stride_tricks.sliding_window_view(luma(photo_hwc), (PATCH_PX, PATCH_PX))
    random = np.random.default_rng(seed)
    rows, columns = (random.integers(side, size=count) for side in windows.shape[:2])
    patches = windows[rows, columns].reshape(count, -1)
    patches -= patches.mean(axis=1, keepdims=True)
    return patches / np.sqrt(patches.var(axis=1, keepdims=True) + CONTRAST_FLOOR)


def fit_whitening(patches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the centre (49,) and the ZCA whitening matrix (49, 49), which decorrelates centred patches."""
    centre = patches.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(patches, rowvar=False))
    whitening = axes / np.sqrt(variances + WHITENING_FLOOR) @ axes.T
    return centre, whitening.astype(np.float32)
