"""METRICS: every score there is. A new score is one row here.

Evaluation computes the row, and the summary, the report, its explanations, the gates and MLflow show it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from wespe.metrics.full_reference import (
    delta_e2000,
    gmsd,
    ms_ssim_dped,
    pooled_psnr,
    psnr,
    psnr_best_affine,
    ssim,
    ssim_luma,
)
from wespe.metrics.no_reference import (
    blockiness,
    clipping,
    colourfulness,
    entropy,
    noise,
    png_bpp,
    sharpness,
)
from wespe.metrics.self_checks import colour_correlation, contrast_ratio, fidelity, noise_gain
from wespe.metrics.set_distance import (
    sample_colours,
    sample_gradients,
    sliced_wasserstein,
    texture_distance,
)

Comparison = Literal["truth", "nothing", "target", "source"]
Direction = Literal["higher", "lower", ""]
GROUPS: dict[Comparison, str] = {
    "truth": "Compared with the truth",
    "nothing": "Of the photo alone",
    "target": "All test photos compared with the target’s photos",
    "source": "Self checks: compared with the untouched photo",
}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One score: how it is computed, how it is read.

    against: what a photo is compared with, which decides what `score` is called with:
        nothing: (photo_hwc). truth: (photo_hwc, truth_hwc). source: (enhanced_hwc, source_hwc).
        target: (features of all test photos, features of the target's photos), one figure for the whole set.
    score: None if evaluation measures it while it enhances, or if it needs weights: then
        pipeline/evaluation/learned_scores.py loads the function.
    features: of one photo, (photo_hwc, seed) → (n, …), for a score against the target.
    pools: the score whose values of all photos `score` turns into one figure.
    better: which direction is better; empty for a score that only describes.
    maximum: larger values are clipped to it, since no mean survives the infinite PSNR of equal photos.
    gate: the setting of `Gates` that limits it, such as max_noise_gain.
    gate_reads: what the limit is compared with: the interval of the mean, or the worst or best photo.
    """

    label: str
    sentence: str
    against: Comparison
    better: Direction = ""
    digits: int = 2
    unit: str = ""
    score: Callable[..., float] | None = None
    features: Callable[[np.ndarray, int], np.ndarray] | None = None
    pools: str = ""
    maximum: float | None = None
    gate: str = ""
    gate_reads: Literal["mean", "worst", "best"] = "mean"

    @property
    def group(self) -> str:
        return GROUPS[self.against]

    @property
    def of_set(self) -> bool:
        """Whether all photos together have one figure, so that there is no interval over photos."""
        return self.against == "target" or bool(self.pools)

    @property
    def title(self) -> str:
        return f"{self.label}, {self.unit}" if self.unit else self.label


# In the order in which they are shown.
METRICS: dict[str, Metric] = {
    # ---- Compared with the truth
    "psnr": Metric(
        label="PSNR",
        sentence="How small the mean squared error to the truth is, per photo.",
        against="truth",
        score=psnr,
        better="higher",
        unit="dB",
        maximum=100.0,
    ),
    "psnr_pooled": Metric(
        label="PSNR, pooled",
        sentence="One mean squared error over all photos, as DPED’s code computes it.",
        against="truth",
        score=pooled_psnr,
        pools="psnr",
        better="higher",
        unit="dB",
    ),
    "psnr_best_affine": Metric(
        label="PSNR after best affine colour",
        sentence="After the affine colour change that fits the truth best; what remains is error of detail.",
        against="truth",
        score=psnr_best_affine,
        better="higher",
        unit="dB",
    ),
    "ssim": Metric(
        label="SSIM",
        sentence="Structural similarity in small windows, mean over RGB. 1 is identical.",
        against="truth",
        score=ssim,
        better="higher",
        digits=3,
    ),
    "ssim_luma": Metric(
        label="SSIM, luma",
        sentence="Structural similarity of brightness alone. 1 is identical.",
        against="truth",
        score=ssim_luma,
        better="higher",
        digits=3,
    ),
    "ms_ssim_dped": Metric(
        label="MS-SSIM",
        sentence="Structural similarity over five scales, as DPED’s code computes it; the paper prints it as"
        " SSIM. From 176 px a side it is the standard MS-SSIM.",
        against="truth",
        score=ms_ssim_dped,
        better="higher",
        digits=3,
    ),
    "gmsd": Metric(
        label="GMSD",
        sentence="How unevenly edges deviate from those of the truth. 0 is identical.",
        against="truth",
        score=gmsd,
        better="lower",
        digits=3,
    ),
    "delta_e2000": Metric(
        label="ΔE2000",
        sentence="Mean colour difference as the eye sees it; 1 is just noticeable.",
        against="truth",
        score=delta_e2000,
        better="lower",
    ),
    "lpips": Metric(
        label="LPIPS",
        sentence="Distance in the features of a network, close to what people perceive.",
        against="truth",
        better="lower",
        digits=3,
    ),
    # ---- Of the photo alone
    "entropy": Metric(
        label="Entropy",
        sentence="Information in brightness. Rises with detail and with noise.",
        against="nothing",
        score=entropy,
        unit="bits",
    ),
    "png_bpp": Metric(
        label="PNG bits per pixel",
        sentence="Size as a PNG file. Rises with detail and with noise.",
        against="nothing",
        score=png_bpp,
    ),
    "noise": Metric(
        label="Noise",
        sentence="Estimated noise of brightness, in 8-bit levels; fine texture counts as noise, too.",
        against="nothing",
        score=noise,
        better="lower",
    ),
    "sharpness": Metric(
        label="Sharpness",
        sentence="The share of brightness changes that a blur would remove. Rises with noise.",
        against="nothing",
        score=sharpness,
    ),
    "clipping": Metric(
        label="Clipping",
        sentence="The share of pixels with a channel at 0 or 255, where detail may be lost.",
        against="nothing",
        score=clipping,
        better="lower",
        digits=4,
    ),
    "blockiness": Metric(
        label="Blockiness",
        sentence="Steps at the borders of JPEG’s 8-px blocks; 1 is no visible grid.",
        against="nothing",
        score=blockiness,
        better="lower",
    ),
    "colourfulness": Metric(
        label="Colourfulness",
        sentence="0 is grey, about 109 is extremely colourful.",
        against="nothing",
        score=colourfulness,
        digits=1,
    ),
    "niqe_target": Metric(
        label="NIQE, fitted to the target",
        sentence="Distance of the photo’s statistics from those of the target’s photos.",
        against="nothing",
        better="lower",
    ),
    "brisque": Metric(
        label="BRISQUE",
        sentence="Distortion as people rated it, about 0 to 100.",
        against="nothing",
        better="lower",
        digits=1,
    ),
    "cornia": Metric(
        label="CORNIA",
        sentence="Distortion by this project’s own codebook, about 0 to 100; do not compare it with papers.",
        against="nothing",
        better="lower",
    ),
    "ffs": Metric(
        label="Flickr Faves Score",
        sentence="How probable it is, to a trained rater, that people would mark the photo as a favourite.",
        against="nothing",
        better="higher",
        digits=3,
    ),
    "ffs_accuracy": Metric(
        label="Accuracy of that rater",
        sentence="How often the rater was right on photos that it had not seen.",
        against="nothing",
        digits=3,
    ),
    # ---- All test photos compared with the target's
    "colour_distance": Metric(
        label="Colour distance",
        sentence="From the colours of the target’s photos (sliced Wasserstein distance).",
        against="target",
        score=sliced_wasserstein,
        features=sample_colours,
        better="lower",
        unit="levels",
    ),
    "texture_distance": Metric(
        label="Texture distance",
        sentence="From the brightness gradients of the target’s photos, mean over four scales.",
        against="target",
        score=texture_distance,
        features=sample_gradients,
        better="lower",
        unit="levels/px",
    ),
    # ---- Self checks
    "fidelity": Metric(
        label="Fidelity",
        sentence="PSNR against the untouched photo: how much of it was kept.",
        against="source",
        score=fidelity,
        digits=1,
        unit="dB",
        gate="min_fidelity_db",
    ),
    "noise_gain": Metric(
        label="Noise gain",
        sentence="Noise in flat areas, divided by that of the untouched photo; 1 is no change.",
        against="source",
        score=noise_gain,
        better="lower",
        gate="max_noise_gain",
    ),
    "colour_correlation": Metric(
        label="Colour correlation",
        sentence="With the colours of the untouched photo. Below 0 they are inverted.",
        against="source",
        score=colour_correlation,
        better="higher",
        gate="min_colour_correlation",
    ),
    "contrast_ratio": Metric(
        label="Contrast ratio",
        sentence="Contrast of brightness and colours, divided by that of the untouched photo. Near 0 the"
        " photo has become flat or grey.",
        against="source",
        score=contrast_ratio,
        gate="min_contrast_ratio",
        gate_reads="worst",
    ),
    "tile_difference": Metric(
        label="Tile difference",
        sentence="Between a tile that is enhanced alone and the same place of the enhanced photo.",
        against="source",
        better="lower",
        unit="levels",
        gate="max_tile_difference",
        gate_reads="worst",
    ),
    "megapixels_per_s": Metric(
        label="Speed",
        sentence="On the machine that evaluated, with whatever else it was doing.",
        against="source",
        better="higher",
        unit="MP/s",
        gate="min_megapixels_per_s",
        gate_reads="best",
    ),
}
