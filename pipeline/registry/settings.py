"""The thresholds that a model has to keep before users get it."""

from dataclasses import dataclass

from pipeline.evaluation.settings import VARIANTS

YARDSTICKS = tuple(variant for variant in VARIANTS if variant != "enhanced")
CAP_DB = 60.0  # identical photos have infinitely many dB, which no mean survives; nobody sees a 60th
RANGES = {
    "min_fidelity_db": (0, CAP_DB),
    "max_noise_gain": (0, 100),
    "min_colour_correlation": (-1, 1),
    "min_contrast_ratio": (0, 1),
    "max_tile_difference": (0, 255),
    "min_megapixels_per_s": (0, 10_000),
}


@dataclass(frozen=True, kw_only=True)
class Gates:
    """What a version must keep to become champion; `null` does not look at a threshold.

    beat: the yardsticks that it must be better than, as well as the champion: on PSNR where photos have a
        truth, with the lower end of the interval of the paired gain above 0, or else on colour distance. That
        is no judge of a histogram match, which is fitted to it: without truths that one is not looked at.
        Of two test photos a model without effect passes one time in four, of ten one in twenty.
    min_fidelity_db: PSNR between photos and their enhanced selves. An inverted photo has about 5.
    max_noise_gain: noise of flat areas, enhanced over untouched, a ratio.
    min_colour_correlation: of enhanced and untouched colours, −1–1. At 0 they are lost, below inverted.
    min_contrast_ratio: of brightness and colours, enhanced over untouched, in the worst photo, 0–1. Near 0
        the model has collapsed, or makes photos grey.
    max_tile_difference: between a piece that is enhanced by itself and the same piece of the enhanced photo,
        in the worst photo, in 8-bit levels. 0 is exact; rounding may cost 1. Methods that look at the whole
        photo differ, on purpose or not (`lut_residual`; instance norm); jobs tile them exactly all the same.
    min_megapixels_per_s: on the machine that evaluates. At 0.02 a photo of 12 megapixels takes ten minutes.

    Where the worst photo is not named, the mean over photos counts, by the worse end of its interval.
    """

    beat: tuple[str, ...] = ("untouched", "histogram_match")
    min_fidelity_db: float | None = 10.0
    max_noise_gain: float | None = 2.0
    min_colour_correlation: float | None = 0.3
    min_contrast_ratio: float | None = 0.2
    max_tile_difference: float | None = None
    min_megapixels_per_s: float | None = 0.02

    def __post_init__(self) -> None:
        if not self.beat or not set(self.beat) <= set(YARDSTICKS):
            raise ValueError(f"beat must name one or more of {', '.join(YARDSTICKS)}, not {list(self.beat)}")
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name} must be between {low:g} and {high:g}, not {value}")
