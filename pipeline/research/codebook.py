"""Trains this project's CORNIA on photos that are distorted at known levels and graded by MS-SSIM.

The paper's regression was trained on human ratings (LIVE), ours on a score against the clean photo, so the
scales differ.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.stats import spearmanr
from skimage.filters import gaussian
from sklearn.cluster import MiniBatchKMeans
from sklearn.svm import SVR

from pipeline.errors import PipelineError
from pipeline.files import write_atomically
from pipeline.logs import Progress
from pipeline.photos.formats import FORMATS, photos_below
from pipeline.photos.images import read_photo
from pipeline.seeds import seed_of
from wespe.metrics.cornia import Codebook, Cornia, fit_whitening, sample_patches
from wespe.metrics.full_reference import ms_ssim

CROP_PX = 256
WORD_PATCHES = 30  # patches for k-means, per word
KMEANS_BATCH = 8192
KMEANS_EPOCHS = 3
SVR_COST = 200.0
SVR_MARGIN = 1.0  # smaller errors of a grade cost nothing
ORIGIN = "CORNIA trained by the WESPE project on synthetic distortions graded by MS-SSIM; not the paper's"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Training settings. words: size of the codebook, 10,000 in the paper. crops: number of 256-px crops."""

    words: int = 10_000
    crops: int = 40
    seed: int = 0

    def __post_init__(self) -> None:
        if self.words < 1:
            raise ValueError("words must be at least 1")
        if self.crops < 2:
            raise ValueError("crops must be at least 2")


class Example(NamedTuple):
    """A distorted crop with its grade: 0 is clean, 100 is completely destroyed."""

    kind: str
    crop_hwc: np.ndarray
    grade: float


def _jpeg(crop_hwc: np.ndarray, quality: float) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(crop_hwc).save(file, "JPEG", quality=int(quality))
    return np.asarray(Image.open(file))


def _blur(crop_hwc: np.ndarray, sigma_px: float) -> np.ndarray:
    blurred = gaussian(crop_hwc, sigma=sigma_px, mode="reflect", channel_axis=-1, preserve_range=True)
    return np.round(blurred).astype(np.uint8)


def _noise(crop_hwc: np.ndarray, sigma: float) -> np.ndarray:
    random = np.random.default_rng(seed_of("cornia noise", sigma, crop_hwc.sum()))
    return np.clip(np.round(crop_hwc + random.normal(0, sigma, crop_hwc.shape)), 0, 255).astype(np.uint8)


def _rescale(crop_hwc: np.ndarray, factor: float) -> np.ndarray:
    image = Image.fromarray(crop_hwc)
    small = image.resize([round(side / factor) for side in image.size], Image.Resampling.BICUBIC)
    return np.asarray(small.resize(image.size, Image.Resampling.BICUBIC))


DISTORTIONS: dict[str, tuple[Callable[[np.ndarray, float], np.ndarray], tuple[float, ...]]] = {
    "jpeg": (_jpeg, (75, 45, 25, 12, 6)),  # quality
    "blur": (_blur, (0.6, 1.0, 1.6, 2.6, 4.2)),  # σ in px
    "noise": (_noise, (3, 6, 12, 24, 48)),  # σ in 8-bit levels
    "scale": (_rescale, (1.5, 2, 3, 4, 6)),  # down by this factor, and up again
}


def train_cornia(folders: Sequence[Path], recipe: Recipe) -> Cornia:
    """Cut crops from good photos, distort and grade them, fit the codebook, then the regression.

    Deterministic for the same photos and recipe. Raises: PipelineError, PhotoError.
    """
    graded = [one for crop in cut_crops(folders, recipe) for one in distort(crop)]
    codebook = _learn_codebook(graded, recipe)
    codes = _encode("cornia codes", codebook, graded)
    weights, bias = _fit_regression(codes, np.array([one.grade for one in graded]))
    return Cornia(codebook=codebook, weights=weights, bias=bias)


def save_cornia(cornia: Cornia, path: Path) -> None:
    """Write a .safetensors file; its metadata states the origin."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, cornia.to_bytes(ORIGIN))


def rank_agreement(cornia: Cornia, folders: Sequence[Path], recipe: Recipe) -> dict[str, float]:
    """Return Spearman's correlation of scores and grades on other photos: all, and each distortion."""
    graded = [one for crop in cut_crops(folders, recipe) for one in distort(crop)]
    scores = _encode("cornia test", cornia.codebook, graded) @ cornia.weights
    kinds, grades = (np.array(column) for column in zip(*((g.kind, g.grade) for g in graded), strict=True))
    chosen = {"all": kinds == kinds} | {kind: np.isin(kinds, [kind, "clean"]) for kind in DISTORTIONS}
    return {name: float(spearmanr(scores[rows], grades[rows]).statistic) for name, rows in chosen.items()}


def cut_crops(folders: Sequence[Path], recipe: Recipe) -> Iterator[np.ndarray]:
    """Yield crops of 256 px, drawn from each photo in turn; photos below that size give none."""
    paths = [path for folder in folders for path in photos_below(folder)]
    if not paths:
        raise PipelineError(
            f"no photo ({', '.join(FORMATS)}) in {', '.join(map(str, folders))}; name folders with photos"
        )
    paths = paths[: recipe.crops]
    shares = np.bincount(np.arange(recipe.crops) % len(paths))
    progress = Progress("cornia crops", recipe.crops, "crops")
    cut = 0
    for path, share in zip(paths, map(int, shares), strict=True):
        photo_hwc = read_photo(path)
        if min(photo_hwc.shape[:2]) >= CROP_PX:
            yield from _crops(photo_hwc, share, seed_of("cornia", recipe.seed, path.name))
            cut += share
        progress.update(share)
    if not cut:
        raise PipelineError(
            f"no photo in {', '.join(map(str, folders))} has at least {CROP_PX} px a side; use larger ones"
        )


def distort(crop_hwc: np.ndarray) -> Iterator[Example]:
    """Yield a crop clean, and with each distortion at each level."""
    yield Example("clean", crop_hwc, 0.0)
    for kind, (apply, levels) in DISTORTIONS.items():
        for level in levels:
            distorted = apply(crop_hwc, level)
            yield Example(kind, distorted, grade(distorted, crop_hwc))


def grade(crop_hwc: np.ndarray, truth_hwc: np.ndarray) -> float:
    """Return 100 √(1 − MS-SSIM); the root spreads mild distortions (for SSIM: Brunet et al. 2012)."""
    return 100 * max(0.0, 1 - ms_ssim(crop_hwc, truth_hwc)) ** 0.5


def _crops(photo_hwc: np.ndarray, count: int, seed: int) -> Iterator[np.ndarray]:
    random = np.random.default_rng(seed)
    for _ in range(count):
        top, left = (int(random.integers(side - CROP_PX + 1)) for side in photo_hwc.shape[:2])
        yield photo_hwc[
            top : top + CROP_PX, left : left + CROP_PX
        ].copy()  # a view would keep the whole photo


def _learn_codebook(graded: Sequence[Example], recipe: Recipe) -> Codebook:
    """Cluster whitened patches of clean and distorted crops; a word is a cluster centre's direction."""
    each = -(-WORD_PATCHES * recipe.words // len(graded))
    patches = np.concatenate(
        [sample_patches(g.crop_hwc, each, recipe.seed + n) for n, g in enumerate(graded)]
    )
    centre, whitening = fit_whitening(patches)
    patches = (patches - centre) @ whitening
    order = np.random.default_rng(recipe.seed).permutation(len(patches))
    batches = np.array_split(patches[order], max(1, len(patches) // max(KMEANS_BATCH, recipe.words)))
    kmeans = MiniBatchKMeans(recipe.words, init="random", n_init=1, random_state=recipe.seed % 2**32)
    progress = Progress("cornia words", KMEANS_EPOCHS * len(batches), "batches")
    for batch in batches * KMEANS_EPOCHS:
        kmeans.partial_fit(batch)
        progress.update()
    words = kmeans.cluster_centers_.astype(np.float32)
    words /= np.maximum(np.linalg.norm(words, axis=1, keepdims=True), 1e-6)
    return Codebook(centre=centre, whitening=whitening, words=words)


def _encode(title: str, codebook: Codebook, graded: Sequence[Example]) -> np.ndarray:
    codes = np.empty((len(graded), 2 * len(codebook.words)), np.float32)
    progress = Progress(title, len(graded), "crops")
    for row, one in zip(codes, graded, strict=True):
        row[:] = codebook.encode(one.crop_hwc)
        progress.update()
    return codes


def _fit_regression(codes: np.ndarray, grades: np.ndarray) -> tuple[np.ndarray, float]:
    """Fit a linear ε-SVR on centred codes, by their Gram matrix, which is much smaller than the codes."""
    centre = codes.mean(axis=0)
    centred = codes - centre
    gram = (centred @ centred.T).astype(np.float64)
    scale = float(np.trace(gram)) / len(gram)  # so that the cost does not depend on the number of words
    svr = SVR(kernel="precomputed", C=SVR_COST, epsilon=SVR_MARGIN).fit(gram / scale, grades)
    weights = (svr.dual_coef_[0] / scale).astype(np.float32) @ centred[svr.support_]
    return weights, float(svr.intercept_[0] - centre @ weights)
