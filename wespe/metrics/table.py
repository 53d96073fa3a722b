"""METRICS: the table of all scores. To add a score, add a row.

Evaluation computes the scores; the summary, the report, the gates and MLflow use the same rows.
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
from wespe.metrics.two_samples import auc

Comparison = Literal["truth", "nothing", "target", "source"]
Direction = Literal["higher", "lower", ""]
GROUPS: dict[Comparison, str] = {
    "truth": "Compared with the truth",
    "nothing": "Without a reference",
    "target": "All test photos compared with the target’s photos",
    "source": "Self checks: compared with the untouched photo",
}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """How one score is computed, shown and compared.

    against: what a photo is compared with. It determines the arguments of `score`:
        nothing: (photo_hwc). truth: (photo_hwc, truth_hwc). source: (enhanced_hwc, source_hwc).
        target: (features of all test photos, features of the target's photos), one value for the whole set.
    score: the function; None if evaluation measures the score while enhancing, or if it needs weights, which
        pipeline/evaluation/learned_scores.py loads.
    features: for scores against the target: (photo_hwc, seed) → features of one photo (n, …).
    pools: name of another score; `score` combines that score's values of all photos into one.
    better: the better direction; empty for a score that only describes.
    maximum: larger values are clipped to it, such as the infinite PSNR of identical photos.
    gate: the setting of `Gates` that limits the score, such as max_noise_gain.
    gate_reads: what the gate compares with its limit: the interval of the mean, or the worst or best photo.
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
        """Whether the score is one value for all photos together, and so has no interval over photos."""
        return self.against == "target" or bool(self.pools)

    @property
    def title(self) -> str:
        return f"{self.label}, {self.unit}" if self.unit else self.label


# In the order in which they are shown.
METRICS: dict[str, Metric] = {
    # ---- Compared with the truth
    "psnr": Metric(
        label="PSNR",
        sentence="Peak signal-to-noise ratio: the mean squared error to the truth, on a logarithmic scale.",
        against="truth",
        score=psnr,
        better="higher",
        unit="dB",
        maximum=100.0,
    ),
    "psnr_pooled": Metric(
        label="PSNR, pooled",
        sentence="PSNR of the mean squared error over all photos, as in DPED’s code.",
        against="truth",
        score=pooled_psnr,
        pools="psnr",
        better="higher",
        unit="dB",
    ),
    "psnr_best_affine": Metric(
        label="PSNR after best affine colour",
        sentence="PSNR after the affine colour map that fits the truth best; the rest is error in detail.",
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
        sentence="Structural similarity over five scales, as in DPED’s code; the WESPE paper calls it SSIM."
        " For photos of at least 176 px a side it is the standard MS-SSIM.",
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
        sentence="Mean perceptual colour difference (CIEDE2000); 1 is just noticeable.",
        against="truth",
        score=delta_e2000,
        better="lower",
    ),
    "lpips": Metric(
        label="LPIPS",
        sentence="Distance between the features of a neural network, close to human perception.",
        against="truth",
        better="lower",
        digits=3,
    ),
    # ---- Without a reference
    "entropy": Metric(
        label="Entropy",
        sentence="Entropy of the brightness histogram. Rises with detail and with noise.",
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
        sentence="Estimated brightness noise in 8-bit levels; fine texture also counts as noise.",
        against="nothing",
        score=noise,
        better="lower",
    ),
    "sharpness": Metric(
        label="Sharpness",
        sentence="Share of brightness changes that a blur would remove. Rises with detail and with noise.",
        against="nothing",
        score=sharpness,
    ),
    "clipping": Metric(
        label="Clipping",
        sentence="Share of pixels with a channel at 0 or 255, where detail may be lost.",
        against="nothing",
        score=clipping,
        better="lower",
        digits=4,
    ),
    "blockiness": Metric(
        label="Blockiness",
        sentence="Relative strength of edges at the borders of JPEG’s 8-px blocks; 1 means no visible grid.",
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
        sentence="Predicted human rating of distortion, about 0 (none) to 100.",
        against="nothing",
        better="lower",
        digits=1,
    ),
    "cornia": Metric(
        label="CORNIA",
        sentence="Distortion, about 0 to 100, by this project’s codebook; not comparable with papers.",
        against="nothing",
        better="lower",
    ),
    "ffs": Metric(
        label="Flickr Faves Score",
        sentence="Probability that people would mark the photo as a favourite, predicted by a trained rater.",
        against="nothing",
        better="higher",
        digits=3,
    ),
    "ffs_accuracy": Metric(
        label="Accuracy of the rater",
        sentence="Share of held-out photos that the rater of the Flickr Faves Score classified correctly.",
        against="nothing",
        digits=3,
    ),
    # ---- All test photos compared with the target's
    "colour_distance": Metric(
        label="Colour distance",
        sentence="Sliced Wasserstein distance from the colours of the target’s photos.",
        against="target",
        score=sliced_wasserstein,
        features=sample_colours,
        better="lower",
        unit="levels",
    ),
    "texture_distance": Metric(
        label="Texture distance",
        sentence="Sliced Wasserstein distance from the target’s brightness gradients, mean over four scales.",
        against="target",
        score=texture_distance,
        features=sample_gradients,
        better="lower",
        unit="levels/px",
    ),
    "probe": Metric(
        label="Probe",
        sentence="How well a linear classifier on SqueezeNet’s features tells these photos from the target’s"
        " (AUC): 0.5 is not at all, 1 is always.",
        against="target",
        score=auc,
        better="lower",
        digits=3,
    ),
    # ---- Self checks
    "fidelity": Metric(
        label="Fidelity",
        sentence="PSNR against the untouched photo: how similar the enhanced photo still is.",
        against="source",
        score=fidelity,
        digits=1,
        unit="dB",
        gate="min_fidelity_db",
    ),
    "noise_gain": Metric(
        label="Noise gain",
        sentence="Noise in flat areas, divided by that of the untouched photo; 1 means no change.",
        against="source",
        score=noise_gain,
        better="lower",
        gate="max_noise_gain",
    ),
    "colour_correlation": Metric(
        label="Colour correlation",
        sentence="Correlation with the colours of the untouched photo. Below 0, colours are inverted.",
        against="source",
        score=colour_correlation,
        better="higher",
        gate="min_colour_correlation",
    ),
    "contrast_ratio": Metric(
        label="Contrast ratio",
        sentence="Contrast of brightness and colours, divided by that of the untouched photo. Near 0, the"
        " photo has become flat or grey.",
        against="source",
        score=contrast_ratio,
        gate="min_contrast_ratio",
        gate_reads="worst",
    ),
    "tile_difference": Metric(
        label="Tile difference",
        sentence="Mean difference between a tile enhanced alone and the same area of the enhanced photo.",
        against="source",
        better="lower",
        unit="levels",
        gate="max_tile_difference",
        gate_reads="worst",
    ),
    "megapixels_per_s": Metric(
        label="Speed",
        sentence="Measured on the machine that ran the evaluation, under its load at that time.",
        against="source",
        better="higher",
        unit="MP/s",
        gate="min_megapixels_per_s",
        gate_reads="best",
    ),
}
