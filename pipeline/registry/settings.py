"""Settings of the checks that a model must pass to become champion: the block `gates` in params.yaml."""

from dataclasses import dataclass

from pipeline.evaluation.variants import YARDSTICKS

RANGES = {
    "min_fidelity_db": (0, 60),
    "max_noise_gain": (0, 100),
    "min_colour_correlation": (-1, 1),
    "min_contrast_ratio": (0, 1),
    "max_tile_difference": (0, 255),
    "min_megapixels_per_s": (0, 10_000),
}


@dataclass(frozen=True, kw_only=True)
class Gates:
    """Limits that a version must meet to become champion; `null` disables a limit.

    beat: baselines that the model must beat, in addition to the champion. If photos have truths, the 95 %
        interval of the paired PSNR gain must be above 0; otherwise the colour distance must be lower. A
        histogram match is fitted to that distance, so without truths it need not be beaten.
    min_fidelity_db: PSNR between photos and their enhanced versions. An inverted photo has about 5 dB.
    max_noise_gain: noise in flat areas, enhanced divided by untouched.
    min_colour_correlation: between enhanced and untouched colours, −1 to 1. At 0 colours are lost, below 0
        inverted.
    min_contrast_ratio: contrast of brightness and colours, enhanced divided by untouched, in the worst photo,
        0–1. Near 0 the model has collapsed, or makes photos grey.
    max_tile_difference: difference between a tile enhanced alone and the same area of the enhanced photo, in
        the worst photo, in 8-bit levels. 0 is exact; rounding may add 1. Methods that use the whole photo
        differ (`lut_residual`, instance norm); batch jobs handle their tiles exactly.
    min_megapixels_per_s: speed on the fastest photo, on the machine that runs evaluate. Off by default, since
        other load on the machine affects it. At 0.02, a photo of 12 megapixels takes ten minutes.

    The other limits apply to the mean over photos, at the worse end of its 95 % interval. An interval needs
    five test photos; with fewer, no version becomes champion.
    """

    beat: tuple[str, ...] = ("untouched", "histogram_match")
    min_fidelity_db: float | None = 10.0
    max_noise_gain: float | None = 2.0
    min_colour_correlation: float | None = 0.3
    min_contrast_ratio: float | None = 0.2
    max_tile_difference: float | None = None
    min_megapixels_per_s: float | None = None

    def __post_init__(self) -> None:
        if not self.beat or not set(self.beat) <= set(YARDSTICKS):
            raise ValueError(f"beat must name one or more of {', '.join(YARDSTICKS)}, not {list(self.beat)}")
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name} must be between {low:g} and {high:g}, not {value}")
