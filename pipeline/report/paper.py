"""The tables printed in Ignatov et al. 2018, and the cameras and scores of ours that correspond to them."""

from dataclasses import dataclass

ORIGINAL, APE, SUPERVISED = "Original", "APE", "[13]"
TO_DPED, TO_DIV2K = "WESPE [DPED]", "WESPE [DIV2K]"
AVERAGE = "average"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A printed table. rows: by photo set, one value per column and score, in that order."""

    number: int
    title: str
    corner: str
    columns: tuple[str, ...]
    scores: tuple[str, ...]
    rows: dict[str, tuple[float, ...]]


# The paper's name of a score → ours. What it calls SSIM is DPED's MS-SSIM.
SCORES = {
    "PSNR": ("psnr",),
    "SSIM": ("ms_ssim_dped",),
    "entropy": ("entropy",),
    "bpp": ("png_bpp",),
    "CORNIA": ("cornia",),
    "FFS": ("ffs",),
}
DIGITS = {"PSNR": 2, "SSIM": 2, "entropy": 2, "bpp": 2, "CORNIA": 2, "FFS": 4}

# A camera of ours belongs in a row if its name is one of these, or starts with one of these and `-`.
CAMERAS = {
    "iPhone": ("iphone", "iphone3gs", "iphone-3gs"),
    "BlackBerry": ("blackberry",),
    "Sony": ("sony",),
    "Cityscapes": ("cityscapes",),
    "KITTI": ("kitti",),
    "HTC One M9": ("htc", "htc-one-m9", "htc-m9"),
    "Huawei P9": ("huawei", "huawei-p9"),
    "iPhone 6": ("iphone6", "iphone-6"),
}

# Not printed in the paper and not measured in this checkout; measured once for this project.
YARDSTICKS_TITLE = "Baselines that the paper does not print, over 20 random samples of 200 DPED patches"
YARDSTICKS = {
    "untouched photo": ("17.29", "0.848"),
    "unpaired histogram match": ("20.09 ± 0.49", "0.894"),
    "SRCNN, paired, published weights": ("21.08", "0.905"),
    "DPED, paired, published weights": ("21.81", "0.922"),
}

TABLES = (
    Table(
        number=2,
        title="Average PSNR and SSIM results on DPED test images",
        corner="DPED images",
        columns=(APE, TO_DIV2K, TO_DPED, SUPERVISED),
        scores=("PSNR", "SSIM"),
        rows={
            "iPhone": (17.28, 0.86, 17.76, 0.88, 18.11, 0.90, 21.35, 0.92),
            "BlackBerry": (18.91, 0.89, 16.71, 0.91, 16.78, 0.91, 20.66, 0.93),
            "Sony": (19.45, 0.92, 20.05, 0.89, 20.29, 0.93, 22.01, 0.94),
        },
    ),
    Table(
        number=3,
        title="Average entropy, bit per pixel and CORNIA (lower is better) results on DPED test images",
        corner="DPED images",
        columns=(ORIGINAL, APE, SUPERVISED, TO_DPED, TO_DIV2K),
        scores=("entropy", "bpp", "CORNIA"),
        rows={
            "iPhone": (
                *(7.29, 10.67, 30.85, 7.40, 9.33, 43.65, 7.55, 10.94, 32.35),
                *(7.52, 14.17, 27.90, 7.52, 15.13, 27.40),
            ),
            "BlackBerry": (
                *(7.51, 12.00, 11.09, 7.55, 10.19, 23.19, 7.51, 11.39, 20.62),
                *(7.43, 12.64, 23.93, 7.60, 12.72, 9.18),
            ),
            "Sony": (
                *(7.51, 11.63, 32.69, 7.62, 11.37, 34.85, 7.53, 10.90, 30.54),
                *(7.59, 12.05, 34.77, 7.46, 12.33, 34.56),
            ),
        },
    ),
    Table(
        number=6,
        title="Average entropy, bit per pixel and CORNIA scores on five test datasets",
        corner="Images",
        columns=(ORIGINAL, APE, TO_DIV2K),
        scores=("entropy", "bpp", "CORNIA"),
        rows={
            "Cityscapes": (6.73, 8.44, 43.42, 7.30, 6.74, 46.73, 7.56, 11.59, 32.53),
            "KITTI": (7.12, 7.76, 55.69, 7.58, 10.21, 37.64, 7.55, 11.88, 39.09),
            "HTC One M9": (7.51, 9.52, 23.31, 7.64, 9.64, 28.46, 7.69, 12.99, 26.35),
            "Huawei P9": (7.71, 10.60, 20.63, 7.78, 10.27, 25.85, 7.70, 12.61, 27.52),
            "iPhone 6": (7.56, 11.65, 24.67, 7.57, 9.25, 35.82, 7.53, 13.44, 28.51),
        },
    ),
    Table(
        number=7,
        title="FFS scores on the DPED dataset",
        corner="DPED images",
        columns=(ORIGINAL, SUPERVISED, TO_DPED, TO_DIV2K),
        scores=("FFS",),
        rows={
            "iPhone": (0.3190, 0.5093, 0.5341, 0.6155),
            "BlackBerry": (0.4765, 0.5366, 0.5904, 0.6001),
            "Sony": (0.5694, 0.6572, 0.6774, 0.6828),
            AVERAGE: (0.4550, 0.5677, 0.6006, 0.6328),
        },
    ),
    Table(
        number=8,
        title="FFS scores on five test datasets in the wild",
        corner="Images",
        columns=(ORIGINAL, TO_DIV2K),
        scores=("FFS",),
        rows={
            "Cityscapes": (0.4075, 0.4339),
            "KITTI": (0.3792, 0.5415),
            "HTC One M9": (0.5194, 0.6193),
            "Huawei P9": (0.5322, 0.5705),
            "iPhone 6": (0.5516, 0.7412),
            AVERAGE: (0.4780, 0.5813),
        },
    ),
)
