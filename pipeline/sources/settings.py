"""Settings of a photo set: its source, truths, simulated camera and splits."""

from dataclasses import dataclass, field

from pipeline.patches.settings import Split
from pipeline.sources import AnySource


@dataclass(frozen=True, kw_only=True)
class SimulatedCamera:
    """An old phone camera, from lens to JPEG. With the defaults, PSNR to the original is about 20 dB."""

    # Lens
    blur_sigma_px: float = 0.9  # standard deviation of the Gaussian blur
    vignetting: float = 0.3  # share of the light lost in the corners, 0–1; grows with the radius squared
    # Sensor
    gains_rgb: tuple[float, float, float] = (0.88, 1.0, 1.12)  # colour cast from a wrong white balance
    exposure_ev: float = -0.4  # stops; −1 halves the light
    full_well_e: float = 4000.0  # electrons at white; the shot noise of n electrons is √n
    read_noise_e: float = 8.0  # electrons, standard deviation
    # Processing
    gamma: float = 1.1  # exponent on the sRGB value, 0–1; above 1 darkens the middle tones
    contrast: float = 0.9  # slope of the tone curve about middle grey
    black_level: float = 0.03  # output value of black, 0–1, as caused by lens flare
    jpeg_quality: int = 80  # 1–95, as in libjpeg
    seed: int = 0  # of the noise

    def __post_init__(self) -> None:
        _require(0 <= self.blur_sigma_px <= 50, "blur_sigma_px must be 0 to 50")
        _require(0 <= self.vignetting <= 1, "vignetting must be 0 to 1")
        _require(all(0 < gain <= 16 for gain in self.gains_rgb), "gains_rgb must be above 0 and at most 16")
        _require(-10 <= self.exposure_ev <= 10, "exposure_ev must be -10 to 10")
        _require(1 <= self.full_well_e <= 1e9, "full_well_e must be 1 to 1e9 electrons")
        _require(0 <= self.read_noise_e <= 1e6, "read_noise_e must be 0 to 1e6 electrons")
        _require(0.1 <= self.gamma <= 10, "gamma must be 0.1 to 10")
        _require(0 < self.contrast <= 10, "contrast must be above 0 and at most 10")
        _require(0 <= self.black_level < 1, "black_level must be at least 0 and below 1")
        _require(1 <= self.jpeg_quality <= 95, "jpeg_quality must be 1 to 95")


@dataclass(frozen=True, kw_only=True)
class PhotoSet:
    """The photos of one camera or target: one block in params.yaml."""

    source: AnySource
    truth: AnySource | None = None  # aligned photos of a better camera, with the same names
    simulated_camera: SimulatedCamera | None = None  # re-renders every photo; the original becomes its truth
    split: Split = field(default_factory=Split)
    max_rejected_share: float = 0.05  # the stage fails if a larger share of the photos is broken

    def __post_init__(self) -> None:
        if self.truth and self.simulated_camera:
            raise ValueError("give either truth or simulated_camera, whose truth is the original photo")
        if not 0 <= self.max_rejected_share < 1:
            raise ValueError("max_rejected_share must be at least 0 and below 1")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
