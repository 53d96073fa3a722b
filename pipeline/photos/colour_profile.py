"""Colours of a photo's own profile to sRGB, which models speak, and back; in floats: no level is lost."""

import struct
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
import torch
from PIL import ImageCms

STEPS = 2**16
WARP = 1 / 2.4  # makes tables of light nearly straight lines: black would be too steep


@dataclass(frozen=True)
class Colours:
    """A profile of three curves and a matrix, as Display P3, Adobe RGB and ProPhoto are.

    curves: light of every value (3, STEPS); inverse: value of every light to the power of WARP.
    to_srgb: linear light of the profile to that of sRGB (3, 3).
    """

    curves: torch.Tensor
    inverse: torch.Tensor
    to_srgb: torch.Tensor

    @classmethod
    def of(cls, profile: bytes) -> Self | None:
        """Read an ICC profile; None where it is broken, or made of tables instead of curves and a matrix."""
        try:
            curves, matrix = _read(profile)
            lights = np.linspace(0, 1, STEPS) ** (1 / WARP)
            values = np.linspace(0, 1, STEPS)
            inverse = np.stack([np.interp(lights, curve, values) for curve in curves])
            to_srgb = np.linalg.inv(_srgb_matrix()) @ matrix
        except (struct.error, ValueError, KeyError, IndexError, ZeroDivisionError, np.linalg.LinAlgError):
            return None
        return cls(*(torch.from_numpy(table.astype(np.float32)) for table in (curves, inverse, to_srgb)))

    def is_srgb(self) -> bool:
        """Tell whether no value moves by as much as a quarter of one of 255 levels."""
        ramp = torch.linspace(0, 1, 64)[None, None, None].expand(1, 3, 1, -1)
        mixed = torch.cat([ramp, ramp.flip(3), ramp * torch.tensor([1, 0.5, 0]).view(1, 3, 1, 1)])
        return bool((self.srgb(mixed) - mixed).abs().max() < 0.25 / 255)

    def srgb(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        """Values of the profile, 0–1, as sRGB, 0–1; what sRGB does not have is clipped."""
        return _srgb_value(self._srgb_light(photos_nchw))

    def native(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        """Values of sRGB, 0–1, as the profile's."""
        return self._value(_srgb_light(photos_nchw))

    def beyond_srgb(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        """What values of the profile lose on the way to sRGB and back."""
        return photos_nchw - self._value(self._srgb_light(photos_nchw))

    def _srgb_light(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        return _mixed(self.to_srgb, _looked_up(photos_nchw, self.curves))

    def _value(self, srgb_light: torch.Tensor) -> torch.Tensor:
        return _looked_up(_mixed(torch.linalg.inv(self.to_srgb), srgb_light).pow_(WARP), self.inverse)


def _looked_up(photos_nchw: torch.Tensor, tables: torch.Tensor) -> torch.Tensor:
    """Interpolate every channel in its table."""
    channels = []
    for values, table in zip(photos_nchw.unbind(1), tables.to(photos_nchw.device), strict=True):
        place = values.clamp(0, 1).mul_(STEPS - 1).flatten()
        below = place.int().clamp_(max=STEPS - 2)
        # To index the table by brackets takes ten times as long.
        lower, upper = table.index_select(0, below), table.index_select(0, below + 1)
        channels.append(torch.lerp(lower, upper, place - below).view(values.shape))
    return torch.stack(channels, 1)


def _mixed(matrix: torch.Tensor, light: torch.Tensor) -> torch.Tensor:
    return torch.einsum("sp,npyx->nsyx", matrix.to(light), light).clamp_(0, 1)


def _srgb_light(values: torch.Tensor) -> torch.Tensor:
    return torch.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _srgb_value(light: torch.Tensor) -> torch.Tensor:
    return torch.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


@cache
def _srgb_matrix() -> np.ndarray:
    return _read(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())[1]


def _read(profile: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Curves (3, STEPS) and the matrix to D50 XYZ (ICC.1:2022, §7.2, §7.3, §8.4.3)."""
    if profile[16:20] != b"RGB " or profile[36:40] != b"acsp":
        raise ValueError("not a profile of an RGB device")
    tags = {}
    for number in range(min(100, struct.unpack_from(">I", profile, 128)[0])):
        name, offset, size = struct.unpack_from(">4sII", profile, 132 + 12 * number)
        tags[name] = profile[offset : offset + size]
    curves = np.stack([_curve(tags[channel + b"TRC"]) for channel in (b"r", b"g", b"b")])
    columns = [struct.unpack_from(">3i", tags[channel + b"XYZ"], 8) for channel in (b"r", b"g", b"b")]
    matrix = np.array(columns).T / 65536
    if not np.isfinite(curves).all() or (np.diff(curves) < 0).any() or abs(np.linalg.det(matrix)) < 1e-3:
        raise ValueError("curves that fall, or a matrix that cannot be inverted")
    return curves.clip(0, 1), matrix


def _curve(tag: bytes) -> np.ndarray:
    """The light of STEPS values from 0 to 1 (§10.6 curveType, §10.18 parametricCurveType)."""
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
        raise ValueError("a curve of an unknown kind")
    kind = struct.unpack_from(">H", tag, 8)[0]
    g, *rest = (number / 65536 for number in struct.unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", tag, 12))
    a, b = rest[:2] if rest else (1.0, 0.0)
    c = rest[2] if kind >= 2 else 0.0
    if kind <= 2:  # above −b/a a power, plus c; below only c
        return np.where(values >= -b / a, np.maximum(a * values + b, 0) ** g, 0) + c
    d, e, f = (*rest[3:], 0.0, 0.0)[:3]
    return np.where(values >= d, np.maximum(a * values + b, 0) ** g + e, c * values + f)
