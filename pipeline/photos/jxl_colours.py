"""Writes bits per sample and colour space into the header of a JPEG XL codestream.

imagecodecs writes linear sRGB, as it was given. Pixels are stored in XYB, which is the same for every colour
space: the header alone tells into which one decoders convert them.
"""

from pipeline.photos.icc import SRGB_PRIMARIES, Chromaticity
from pipeline.photos.jxl_header import (
    CHROMATICITY,
    CUSTOM,
    GRAY,
    RGB,
    SIGNATURE,
    Bits,
    Header,
    colours,
    depth,
    extra_channels,
    size,
)

D65, SRGB_CURVE, RELATIVE = 1, 13, 1  # numbers in the header
P3, P3_PRIMARIES = 11, ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
EQUAL = 1e-3  # profiles are rounded
REST = 0b100  # no extensions; the default transform


def described(codestream: bytes, bits: int, primaries: tuple[Chromaticity, ...] | None) -> bytes:
    """Return the codestream for integers of `bits` bits, of these primaries and sRGB's curve; None: gray.

    Raises ValueError if it is not stored in XYB.
    """
    old, header = Bits(codestream), Header(width=0, height=0)
    size(old)
    end_of_size = old.place
    flags = old.take(2)
    depth(old)
    channels = old.place
    extra_channels(old, header)
    end_of_channels = old.place
    absolute = old.flag()
    colours(old, header)
    if flags or not absolute or old.take(3) != REST:
        raise ValueError("imagecodecs has written another header than expected")
    new = _Written()
    new.copy(old, 8 * len(SIGNATURE), end_of_size)
    new.put(0, 2)  # nothing is default
    new.put(0, 3) if bits == 8 else new.put(0b110, 3).put(bits - 1, 6)
    new.copy(old, channels, end_of_channels)
    new.put(1, 1)  # XYB
    _put_colours(new, primaries)
    new.put(REST, 3)
    return SIGNATURE + new.finished() + codestream[-(-old.place // 8) :]


class _Written:
    """Bits, the lowest of each byte first."""

    def __init__(self) -> None:
        self.whole = self.count = 0

    def put(self, value: int, count: int) -> "_Written":
        self.whole |= value << self.count
        self.count += count
        return self

    def copy(self, old: Bits, start: int, end: int) -> None:
        self.put(Bits(old.data, start).take(end - start), end - start)

    def put_enum(self, value: int) -> "_Written":
        return self.put(value, 2) if value < 2 else self.put(0b10, 2).put(value - 2, 4)

    def finished(self) -> bytes:
        return self.whole.to_bytes(-(-self.count // 8), "little")


def _put_colours(new: _Written, primaries: tuple[Chromaticity, ...] | None) -> None:
    if primaries is not None and _equal(primaries, SRGB_PRIMARIES):
        new.put(1, 1)
        return
    new.put(0, 2)  # neither default, nor an ICC profile
    new.put_enum(GRAY if primaries is None else RGB).put_enum(D65)
    if primaries is not None:
        _put_primaries(new, primaries)
    new.put(0, 1).put_enum(SRGB_CURVE).put_enum(RELATIVE)


def _put_primaries(new: _Written, primaries: tuple[Chromaticity, ...]) -> None:
    if _equal(primaries, P3_PRIMARIES):
        new.put_enum(P3)
        return
    new.put_enum(CUSTOM)
    for coordinate in (one for primary in primaries for one in primary):
        millionths = round(coordinate * 1e6)
        stored = -2 * millionths - 1 if millionths < 0 else 2 * millionths  # the sign is the lowest bit
        fits = (stored < added + 2**count for count, added in CHROMATICITY)
        choice = next(number for number, one in enumerate(fits) if one)
        count, added = CHROMATICITY[choice]
        new.put(choice, 2).put(stored - added, count)


def _equal(primaries: tuple[Chromaticity, ...], others: tuple[Chromaticity, ...]) -> bool:
    pairs = zip(primaries, others, strict=True)
    return all(abs(x - u) < EQUAL and abs(y - v) < EQUAL for (x, y), (u, v) in pairs)
