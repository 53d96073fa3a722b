"""What every score is called, which way is better, and what it says, in a sentence."""

from dataclasses import dataclass

VARIANT_NAMES = {
    "untouched": "Untouched",
    "histogram_match": "Histogram match",
    "auto_enhance": "Auto enhance",
    "enhanced": "Enhanced",
    "truth": "Truth",
}
YARDSTICKS = ("untouched", "histogram_match", "auto_enhance")

TRUTH, ALONE, SETS, CHECKS = "Against the truth", "By itself", "Set against set", "Self checks"
GROUPS = (TRUTH, ALONE, SETS, CHECKS)
HIGHER, LOWER, NEITHER = "higher", "lower", ""


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """`better` is "higher", "lower", or "" where a score only describes."""

    label: str
    group: str
    tip: str
    better: str = NEITHER
    digits: int = 3
    unit: str = ""


def meaning(metric: str) -> Meaning:
    """Look a score up; one that is not listed keeps its own name and no direction."""
    label = metric.replace("_", " ")
    unknown = Meaning(label=label, group=CHECKS, tip="This page has no words for this score yet.")
    return MEANINGS.get(metric, unknown)


def _truth(label: str, tip: str, better: str = HIGHER, digits: int = 3, unit: str = "") -> Meaning:
    return Meaning(label=label, group=TRUTH, tip=tip, better=better, digits=digits, unit=unit)


def _alone(label: str, tip: str, better: str = NEITHER, digits: int = 2, unit: str = "") -> Meaning:
    return Meaning(label=label, group=ALONE, tip=tip, better=better, digits=digits, unit=unit)


def _sets(label: str, tip: str) -> Meaning:
    return Meaning(label=label, group=SETS, tip=tip, better=LOWER, digits=2)


def _check(label: str, tip: str, better: str = NEITHER, digits: int = 2, unit: str = "") -> Meaning:
    return Meaning(label=label, group=CHECKS, tip=tip, better=better, digits=digits, unit=unit)


MEANINGS = {
    "psnr": _truth("PSNR", "How small the mean squared error to the truth is, per photo.", HIGHER, 2, "dB"),
    "psnr_pooled": _truth("PSNR, pooled", "One error over all photos, as DPED has it.", HIGHER, 2, "dB"),
    "psnr_best_affine": _truth(
        "PSNR, colour mended",
        "After the best affine colour change; what is left is an error of detail.",
        HIGHER,
        2,
        "dB",
    ),
    "ssim": _truth("SSIM", "Likeness of structure in small windows, mean over RGB. 1 is equal."),
    "ssim_luma": _truth("SSIM, luma", "Likeness of structure in brightness alone. 1 is equal."),
    "ms_ssim": _truth("MS-SSIM", "Likeness of structure over five scales; what the paper prints as SSIM."),
    "ms_ssim_dped": _truth(
        "MS-SSIM, DPED", "DPED’s variant for small photos; what the paper prints as SSIM."
    ),
    "gmsd": _truth("GMSD", "How unevenly edges deviate from the truth’s. 0 is equal.", LOWER),
    "delta_e2000": _truth(
        "ΔE2000", "Difference of colour as the eye sees it; 1 is just noticeable.", LOWER, 2
    ),
    "lpips": _truth("LPIPS", "Distance in the features of a network, close to human judgement.", LOWER),
    "entropy": _alone(
        "Entropy", "Information in brightness. Rises with detail, and with noise.", unit="bits"
    ),
    "png_bpp": _alone("PNG bits per pixel", "Size as PNG. Rises with detail, and with noise."),
    "cornia": _alone("CORNIA", "Learned quality of one photo, from this project’s own codebook.", LOWER),
    "niqe": _alone("NIQE", "Distance from the statistics of good photos.", LOWER),
    "niqe_target": _alone("NIQE, target", "Distance from the look that training goes towards.", LOWER),
    "brisque": _alone("BRISQUE", "Learned distortion of one photo, about 0 to 100.", LOWER, 1),
    "noise": _alone("Noise", "Estimated noise of brightness in 8-bit levels; texture counts too.", LOWER),
    "sharpness": _alone("Sharpness", "Share of the changes that a blur would take away. Rises with noise."),
    "clipping": _alone("Clipping", "Share of pixels with a channel at pure black or white.", LOWER, 4),
    "colourfulness": _alone("Colourfulness", "0 is grey, about 109 extremely colourful.", digits=1),
    "blockiness": _alone("Blockiness", "Steps on the 8-px grid of JPEG; 1 is no grid.", LOWER),
    "ffs": _alone("Flickr Faves Score", "How sure a virtual rater is that people would like it.", HIGHER, 3),
    "ffs_accuracy": _alone("its rater’s accuracy", "How often it was right on unseen photos.", NEITHER, 3),
    "colour_distance": _sets("Colour distance", "From the colours of the target’s photos, in 8-bit levels."),
    "texture_distance": _sets("Texture distance", "From the gradients of the target’s photos, over scales."),
    "fid": _sets("FID", "Distance from the target’s photos in the features of a network."),
    "fidelity": _check("Fidelity", "PSNR to the untouched photo: how much of it was kept.", NEITHER, 1, "dB"),
    "noise_gain": _check("Noise gain", "Noise in flat areas, over that before; 1 leaves it.", LOWER),
    "colour_correlation": _check(
        "Colour correlation", "With the untouched photo. Below 0: inverted.", HIGHER
    ),
    "contrast_ratio": _check(
        "Contrast ratio", "Of light and colours, over that before. Near 0: collapsed or grey."
    ),
    "tile_difference": _check("Tile difference", "Between tiles and the whole photo, in levels.", LOWER),
    "megapixels_per_s": _check("Speed", "On the machine that evaluated.", HIGHER, 2, "megapixels/s"),
}
