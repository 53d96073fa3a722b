"""Coding-independent code points (ITU-T H.273), which describe colour spaces in PNG, AVIF and HEIF."""

from pipeline.errors import PhotoError
from pipeline.photos.icc import D65, SRGB_CURVE, SRGB_PRIMARIES, Chromaticity, gamma_curve, rgb_profile

UNSPECIFIED = 2
WHITE_C, WHITE_DCI = (0.310, 0.316), (0.314, 0.351)
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
SMPTE_170M = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070))
PRIMARIES: dict[int, tuple[tuple[Chromaticity, ...], Chromaticity]] = {
    1: (SRGB_PRIMARIES, D65),
    UNSPECIFIED: (SRGB_PRIMARIES, D65),
    4: (((0.67, 0.33), (0.21, 0.71), (0.14, 0.08)), WHITE_C),
    5: (((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)), D65),
    6: (SMPTE_170M, D65),
    7: (SMPTE_170M, D65),
    9: (((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), D65),
    11: (P3, WHITE_DCI),
    12: (P3, D65),
}
CURVES = {
    4: gamma_curve(2.2),
    5: gamma_curve(2.8),
    8: gamma_curve(1.0),
    13: SRGB_CURVE,
    UNSPECIFIED: SRGB_CURVE,
}
CURVES |= dict.fromkeys((1, 6, 14, 15), SRGB_CURVE)  # curves of video cameras, displayed as sRGB
HDR = {16: "PQ", 18: "HLG"}


def profile_of(primaries: int, transfer: int) -> bytes:
    """Return the ICC profile of code points; b'' for sRGB. Raises PhotoError for HDR and unknown codes."""
    if transfer in HDR:
        raise PhotoError(
            f"HDR brightness ({HDR[transfer]}) is not supported; export it as SDR, sRGB or Display P3"
        )
    if primaries not in PRIMARIES or transfer not in CURVES:
        raise PhotoError(
            f"unsupported colours (CICP primaries {primaries}, transfer {transfer}); export it as sRGB"
        )
    colours, white = PRIMARIES[primaries]
    if (colours, CURVES[transfer]) == (SRGB_PRIMARIES, SRGB_CURVE):
        return b""
    return rgb_profile(CURVES[transfer], colours, white)
