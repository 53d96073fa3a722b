"""Reads the header of a JPEG XL codestream (ISO/IEC 18181-1, annex D), which imagecodecs does not give.

It has the size, which is checked before any pixel is decoded, and the colour space.
"""

from dataclasses import dataclass, field

from pipeline.errors import PhotoError
from pipeline.photos.cicp import CURVES, HDR, P3, PRIMARIES, WHITE_DCI
from pipeline.photos.icc import (
    D65,
    SRGB_CURVE,
    SRGB_PRIMARIES,
    Chromaticity,
    gamma_curve,
    gray_profile,
    rgb_profile,
)

SIGNATURE = b"\xff\x0a"
RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
RGB, GRAY, SRGB, CUSTOM = 0, 1, 1, 2
ALPHA, SPOT_COLOUR, MOSAIC = 0, 2, 5
WHITES = {1: D65, 10: (1 / 3, 1 / 3), 11: WHITE_DCI}

# How a number is stored: two bits choose one of four pairs (bits to read, number to add).
Choice = tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]
SIDE: Choice = ((9, 1), (13, 1), (18, 1), (30, 1))
ENUM: Choice = ((0, 0), (0, 1), (4, 2), (6, 18))
BITS: Choice = ((0, 8), (0, 10), (0, 12), (6, 1))
FLOAT_BITS: Choice = ((0, 32), (0, 16), (0, 24), (6, 1))
CHANNELS: Choice = ((0, 0), (0, 1), (4, 2), (12, 1))
SHIFT: Choice = ((0, 0), (0, 3), (0, 4), (3, 1))
NAME: Choice = ((0, 0), (4, 0), (5, 16), (10, 48))
MOSAIC_CHANNEL: Choice = ((0, 1), (2, 0), (4, 3), (8, 19))
PREVIEW_EIGHTHS: Choice = ((0, 16), (0, 32), (5, 1), (9, 33))
PREVIEW: Choice = ((6, 1), (8, 65), (10, 321), (12, 1345))
CHROMATICITY: Choice = ((19, 0), (19, 524_288), (20, 1_048_576), (21, 2_097_152))
TICKS: tuple[Choice, ...] = (
    ((0, 100), (0, 1000), (10, 1), (30, 1)),
    ((0, 1), (0, 1001), (8, 1), (10, 1)),
    ((0, 0), (3, 0), (16, 0), (32, 0)),
)


@dataclass
class Header:
    """Facts of a codestream. associated: whether colours are premultiplied by alpha.

    embedded: whether an ICC profile follows; otherwise `profile` is an equivalent one, b'' for sRGB.
    absolute: whether the pixels are stored in XYB, from which decoders calculate any colour space.
    """

    width: int
    height: int
    bits: int = 8
    floating: bool = False
    gray: bool = False
    extras: list[int] = field(default_factory=list)
    associated: bool = False
    animated: bool = False
    absolute: bool = True
    embedded: bool = False
    profile: bytes = b""


def read_header(codestream: bytes) -> Header:
    """Read the header. Raises PhotoError for HDR and unknown colours, ValueError if it is damaged."""
    if not codestream.startswith(SIGNATURE):
        raise ValueError("not a JPEG XL codestream")
    bits = Bits(codestream)
    width, height = size(bits)
    header = Header(width=width, height=height)
    if bits.flag():  # all default
        return header
    if bits.flag():
        _extra_fields(bits, header)
    header.bits, header.floating = depth(bits)
    extra_channels(bits, header)
    header.absolute = bits.flag()
    colours(bits, header)
    return header


class Bits:
    """Bits of a codestream, the lowest of each byte first."""

    def __init__(self, codestream: bytes, place: int = 8 * len(SIGNATURE)):
        self.data, self.place = codestream[:4096], place

    def take(self, count: int) -> int:
        start, self.place = self.place, self.place + count
        if self.place > 8 * len(self.data):
            raise ValueError("a truncated header")
        whole = int.from_bytes(self.data[start // 8 : -(-self.place // 8)], "little")
        return whole >> start % 8 & ((1 << count) - 1)

    def skip(self, count: int) -> None:
        self.take(count)

    def flag(self) -> bool:
        return bool(self.take(1))

    def number(self, choice: Choice) -> int:
        count, added = choice[self.take(2)]
        return self.take(count) + added


def size(bits: Bits) -> tuple[int, int]:
    small = bits.flag()

    def side() -> int:
        return 8 * (bits.take(5) + 1) if small else bits.number(SIDE)

    height = side()
    ratio = bits.take(3)
    if not ratio:
        return side(), height
    across, down = RATIOS[ratio]
    return height * across // down, height


def _extra_fields(bits: Bits, header: Header) -> None:
    bits.skip(3)  # orientation, which the decoder applies
    if bits.flag():
        size(bits)  # at which the photo should be shown
    if bits.flag():
        sides = PREVIEW_EIGHTHS if bits.flag() else PREVIEW
        bits.number(sides)
        if not bits.take(3):
            bits.number(sides)
    header.animated = bits.flag()
    if header.animated:
        for choice in TICKS:
            bits.number(choice)
        bits.skip(1)


def depth(bits: Bits) -> tuple[int, bool]:
    if not bits.flag():
        return bits.number(BITS), False
    found = bits.number(FLOAT_BITS)
    bits.skip(4)  # of the exponent
    return found, True


def extra_channels(bits: Bits, header: Header) -> None:
    """Read the kinds of channels beside the colours into `extras`, and `associated`."""
    bits.skip(1)  # whether buffers of 16 bits suffice
    for _ in range(bits.number(CHANNELS)):
        _extra_channel(bits, header)


def _extra_channel(bits: Bits, header: Header) -> None:
    if bits.flag():  # all default
        header.extras.append(ALPHA)
        return
    kind = bits.number(ENUM)
    header.extras.append(kind)
    depth(bits)
    bits.number(SHIFT)
    for _ in range(bits.number(NAME)):
        bits.skip(8)
    if kind == ALPHA:
        header.associated |= bits.flag()
    elif kind == SPOT_COLOUR:
        bits.skip(4 * 16)
    elif kind == MOSAIC:
        bits.number(MOSAIC_CHANNEL)


def colours(bits: Bits, header: Header) -> None:
    """Read the colour space into `gray`, and `profile` or `embedded`."""
    if bits.flag():  # sRGB
        return
    header.embedded = bits.flag()
    space = bits.number(ENUM)
    header.gray = space == GRAY
    if header.embedded:
        return
    if space not in (RGB, GRAY):
        raise PhotoError("its colour space is unsupported; export it as sRGB")
    code = bits.number(ENUM)
    white = _chromaticity(bits) if code == CUSTOM else WHITES.get(code)
    primaries = None if header.gray else _primaries(bits)
    curve = _curve(bits)
    bits.number(ENUM)  # rendering intent
    if header.gray:
        header.profile = b"" if curve == SRGB_CURVE else gray_profile(curve)
    elif white is None or primaries is None:
        raise PhotoError("its colour space is unsupported; export it as sRGB")
    elif (primaries, white, curve) != (SRGB_PRIMARIES, D65, SRGB_CURVE):
        header.profile = rgb_profile(curve, primaries, white)


def _primaries(bits: Bits) -> tuple[Chromaticity, ...] | None:
    code = bits.number(ENUM)
    if code == CUSTOM:
        return tuple(_chromaticity(bits) for _ in range(3))
    return P3 if code == 11 else PRIMARIES[code][0] if code in (1, 9) else None


def _curve(bits: Bits) -> bytes:
    if bits.flag():
        stored = bits.take(24)
        if not stored:
            raise ValueError("a gamma of 0")
        return gamma_curve(1e7 / stored)
    code = bits.number(ENUM)
    if code in HDR:
        raise PhotoError(
            f"HDR brightness ({HDR[code]}) is not supported; export it as SDR, sRGB or Display P3"
        )
    if code == 17:
        return gamma_curve(2.6)  # of cinemas
    if code not in CURVES or code == CUSTOM:
        raise PhotoError("its colour space is unsupported; export it as sRGB")
    return CURVES[code]


def _chromaticity(bits: Bits) -> Chromaticity:
    def coordinate() -> float:
        stored = bits.number(CHROMATICITY)
        return (-(stored + 1) // 2 if stored % 2 else stored // 2) / 1e6

    return coordinate(), coordinate()
