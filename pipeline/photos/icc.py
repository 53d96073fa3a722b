"""Reads ICC profiles (ICC.1:2022), and creates them from curves and primaries."""

import struct
from dataclasses import dataclass

import numpy as np

STEPS = 2**16
D50, D65 = (0.9642, 1.0, 0.8249), (0.3127, 0.3290)  # XYZ of the connection space; chromaticity (x, y)
SRGB_PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
SRGB_CURVE = struct.pack(  # parametricCurveType, function 3
    ">4sIHH5i",
    b"para",
    0,
    3,
    0,
    *(round(n * 65536) for n in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)),
)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
DEVICE_CLASSES = (b"scnr", b"mntr", b"prtr", b"spac")  # other classes are not for pictures
Chromaticity = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The content of a profile.

    space: colour space of the samples: `RGB`, `GRAY`, `CMYK`, `Lab` …
    curves: linear light of each value, (1, STEPS) for gray, (3, STEPS) for RGB; None if it has tables.
    to_xyz: matrix from linear RGB to D50 XYZ (3, 3), or None.
    """

    space: str
    curves: np.ndarray | None = None
    to_xyz: np.ndarray | None = None


def read_profile(profile: bytes) -> Profile:
    """Read an ICC profile. Raises ValueError if it is damaged or not for pictures."""
    try:
        return _read(profile)
    except (struct.error, KeyError, IndexError, ZeroDivisionError, np.linalg.LinAlgError) as error:
        raise ValueError(f"damaged profile: {error!r}") from None


def _read(profile: bytes) -> Profile:
    if profile[36:40] != b"acsp" or profile[12:16] not in DEVICE_CLASSES or profile[8] not in (2, 4):
        raise ValueError("not a version 2 or 4 profile of a device or colour space")
    space, tags = profile[16:20].decode("latin-1").strip(), _tags(profile)
    if b"A2B0" in tags:  # tables have precedence over curves (§9.2.2)
        return Profile(space=space)
    if space == "GRAY":
        return Profile(space=space, curves=_checked(_gray_curve(tags[b"kTRC"], profile[20:24])[None]))
    if space != "RGB":
        raise ValueError(f"{space} profile without tables")
    curves = np.stack([_curve(tags[channel + b"TRC"]) for channel in (b"r", b"g", b"b")])
    columns = [struct.unpack_from(">3i", tags[channel + b"XYZ"], 8) for channel in (b"r", b"g", b"b")]
    to_xyz = np.array(columns).T / 65536
    if abs(np.linalg.det(to_xyz)) < 1e-3:
        raise ValueError("the matrix cannot be inverted")
    return Profile(space=space, curves=_checked(curves), to_xyz=to_xyz)


def _tags(profile: bytes) -> dict[bytes, bytes]:
    tags = {}
    for number in range(min(100, struct.unpack_from(">I", profile, 128)[0])):
        name, offset, size = struct.unpack_from(">4sII", profile, 132 + 12 * number)
        tags[name] = profile[offset : offset + size]
    return tags


def _checked(curves: np.ndarray) -> np.ndarray:
    if not np.isfinite(curves).all() or (np.diff(curves) < 0).any() or (curves[:, -1] <= curves[:, 0]).any():
        raise ValueError("the curves are not increasing")
    return curves.clip(0, 1)


def _gray_curve(tag: bytes, connection_space: bytes) -> np.ndarray:
    curve = _curve(tag)
    if connection_space == b"XYZ ":
        return curve
    lightness = curve * 100  # the curve gives L* of CIELab
    return np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / 903.3)


def _curve(tag: bytes) -> np.ndarray:
    """Return the light of STEPS values from 0 to 1 (§10.6 curveType, §10.18 parametricCurveType)."""
    values = np.linspace(0, 1, STEPS)
    if tag[:4] == b"curv":
        count = struct.unpack_from(">I", tag, 8)[0]
        if count == 0:
            return values
        points = np.frombuffer(tag, ">u2", count, 12)
        if count == 1:
            return values ** (points[0] / 256)
        return np.interp(values, np.linspace(0, 1, count), points / 65535)
    if tag[:4] != b"para":
        raise ValueError("unknown type of curve")
    kind = struct.unpack_from(">H", tag, 8)[0]
    g, *rest = (number / 65536 for number in struct.unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", tag, 12))
    a, b = rest[:2] if rest else (1.0, 0.0)
    c = rest[2] if kind >= 2 else 0.0
    if kind <= 2:  # from −b/a: a power, plus c; below: c
        return np.where(values >= -b / a, np.maximum(a * values + b, 0) ** g, 0) + c
    d, e, f = (*rest[3:], 0.0, 0.0)[:3]
    return np.where(values >= d, np.maximum(a * values + b, 0) ** g + e, c * values + f)


def gamma_curve(gamma: float) -> bytes:
    """Create the curve light = value ** gamma."""
    return struct.pack(">4sIHHi", b"para", 0, 0, 0, round(gamma * 65536))


def sampled_curve(light: np.ndarray) -> bytes:
    """Create a curve from its light at equally spaced values."""
    points = (np.interp(np.linspace(0, 1, 4096), np.linspace(0, 1, len(light)), light) * 65535).round()
    return struct.pack(">4sII", b"curv", 0, 4096) + points.astype(">u2").tobytes()


def rgb_profile(
    curve: bytes, primaries: tuple[Chromaticity, ...] = SRGB_PRIMARIES, white: Chromaticity = D65
) -> bytes:
    """Create a profile from three primaries and one curve. Raises ValueError for collinear primaries."""
    columns = _adapted(primaries, white)
    tags = {channel + b"XYZ": _xyz(columns[:, number]) for number, channel in enumerate((b"r", b"g", b"b"))}
    return _packed(b"RGB ", tags | {channel + b"TRC": curve for channel in (b"r", b"g", b"b")})


def primaries_under_d65(to_xyz: np.ndarray) -> tuple[Chromaticity, ...]:
    """Return the primaries of a profile's matrix for the white D65; `rgb_profile` gives the matrix again."""
    x, y = D65
    white = np.array([x / y, 1, (1 - x - y) / y])
    adaptation = np.diag((BRADFORD @ white) / (BRADFORD @ np.array(D50)))
    columns = np.linalg.inv(BRADFORD) @ adaptation @ BRADFORD @ to_xyz
    return tuple((float(one[0] / one.sum()), float(one[1] / one.sum())) for one in columns.T)


def gray_profile(curve: bytes) -> bytes:
    return _packed(b"GRAY", {b"kTRC": curve})


def adobe_rgb_profile() -> bytes:
    """Adobe RGB (1998), §4.3."""
    return rgb_profile(gamma_curve(563 / 256), ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)))


def srgb_profile() -> bytes:
    return rgb_profile(SRGB_CURVE)


def _adapted(primaries: tuple[Chromaticity, ...], white: Chromaticity) -> np.ndarray:
    """Return the XYZ of the primaries under D50, with Bradford adaptation (annex E)."""
    if min(white[1], *(y for _, y in primaries)) <= 0:
        raise ValueError("primaries and white must have y above 0")
    light = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    white_xyz = np.array([white[0] / white[1], 1, (1 - white[0] - white[1]) / white[1]])
    try:
        scaled = light * np.linalg.solve(light, white_xyz)
    except np.linalg.LinAlgError:
        raise ValueError("the primaries are collinear") from None
    adaptation = np.diag((BRADFORD @ np.array(D50)) / (BRADFORD @ white_xyz))
    return np.linalg.inv(BRADFORD) @ adaptation @ BRADFORD @ scaled


def _packed(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"desc": _text("wespe"), b"cprt": _text("CC0"), b"wtpt": _xyz(np.array(D50)), **tags}
    offset, index, body = 128 + 4 + 12 * len(tags), b"", b""
    for tag, entry in tags.items():
        index += struct.pack(">4sII", tag, offset + len(body), len(entry))
        body += entry + bytes(-len(entry) % 4)
    header = struct.pack(">I4sI4s4s4s", offset + len(body), bytes(4), 0x04400000, b"mntr", space, b"XYZ ")
    # A fixed date, so that the same photo gives the same bytes.
    header += struct.pack(">6H4s", 2025, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += struct.pack(">3i", *(round(value * 65536) for value in D50))
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + index + body


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return struct.pack(">4sIII2s2sII", b"mluc", 0, 1, 12, b"en", b"US", len(encoded), 28) + encoded


def _xyz(values: np.ndarray) -> bytes:
    return struct.pack(">4sI3i", b"XYZ ", 0, *(round(value * 65536) for value in values))
