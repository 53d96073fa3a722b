"""Converts colours between a photo's profile and sRGB, which models use, in floating point without loss."""

from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
import torch

from pipeline.photos.icc import STEPS, Profile, read_profile, srgb_profile

WARP = 1 / 2.4  # exponent that makes tables indexed by light nearly linear; they are too steep near black


@dataclass(frozen=True)
class Colours:
    """A colour profile with curves and a matrix, such as Display P3 or Adobe RGB, or with one curve for gray.

    curves: linear light of each value (3, STEPS). inverse: value of each light to the power of WARP.
    to_srgb: matrix from the profile's linear light to that of sRGB (3, 3).
    """

    curves: torch.Tensor
    inverse: torch.Tensor
    to_srgb: torch.Tensor

    @classmethod
    def of(cls, profile: bytes) -> Self | None:
        """Read an ICC profile; None if it is damaged, or has tables instead of curves and a matrix."""
        try:
            return cls.of_profile(read_profile(profile))
        except ValueError:
            return None

    @classmethod
    def of_profile(cls, profile: Profile) -> Self | None:
        if profile.curves is None:
            return None
        curves = np.broadcast_to(profile.curves, (3, STEPS))
        lights = np.linspace(0, 1, STEPS) ** (1 / WARP)
        values = np.linspace(0, 1, STEPS)
        inverse = np.stack([np.interp(lights, curve, values) for curve in curves])
        gray = profile.to_xyz is None  # gray light has the colour of sRGB's white
        to_srgb = np.eye(3) if gray else np.linalg.inv(_srgb_matrix()) @ profile.to_xyz
        return cls(*(torch.from_numpy(table.astype(np.float32)) for table in (curves, inverse, to_srgb)))

    def is_srgb(self) -> bool:
        """Tell whether converting to sRGB changes no value by a quarter of one of 255 levels or more."""
        ramp = torch.linspace(0, 1, 64)[None, None, None].expand(1, 3, 1, -1)
        mixed = torch.cat([ramp, ramp.flip(3), ramp * torch.tensor([1, 0.5, 0]).view(1, 3, 1, 1)])
        return bool((self.srgb(mixed) - mixed).abs().max() < 0.25 / 255)

    def srgb(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        """Convert the profile's values, 0–1, to sRGB, 0–1; colours outside sRGB are clipped."""
        return _srgb_value(self._srgb_light(photos_nchw))

    def srgb_of_levels(self, photo_hwc: np.ndarray) -> np.ndarray:
        """Convert uint8 or uint16 levels to sRGB, float32 0–1; like `srgb`, but three times as fast."""
        step = (STEPS - 1) // np.iinfo(photo_hwc.dtype).max
        curves = self.curves.numpy()[:, ::step]
        light = np.stack([curves[number].take(photo_hwc[..., number]) for number in range(3)], -1)
        srgb_light = (light @ self.to_srgb.numpy().T).clip(0, 1)
        return _srgb_table().take((srgb_light * (STEPS - 1) + 0.5).astype(np.uint16))

    def native(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        """Convert sRGB values, 0–1, to the profile's values."""
        return self._value(_srgb_light(photos_nchw))

    def beyond_srgb(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        """Return the difference that converting to sRGB and back makes."""
        return photos_nchw - self._value(self._srgb_light(photos_nchw))

    def _srgb_light(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        return _mixed(self.to_srgb, _interpolated(photos_nchw, self.curves))

    def _value(self, srgb_light: torch.Tensor) -> torch.Tensor:
        return _interpolated(_mixed(torch.linalg.inv(self.to_srgb), srgb_light).pow_(WARP), self.inverse)


def _interpolated(photos_nchw: torch.Tensor, tables: torch.Tensor) -> torch.Tensor:
    """Interpolate every channel in its table."""
    channels = []
    for values, table in zip(photos_nchw.unbind(1), tables.to(photos_nchw.device), strict=True):
        place = values.clamp(0, 1).mul_(STEPS - 1).flatten()
        below = place.int().clamp_(max=STEPS - 2)
        # table[below] takes ten times as long.
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
def _srgb_table() -> np.ndarray:
    """Return sRGB values for STEPS lights; the largest step is 1/20 of one of 255 levels."""
    return _srgb_value(torch.linspace(0, 1, STEPS)).numpy()


@cache
def _srgb_matrix() -> np.ndarray:
    matrix = read_profile(srgb_profile()).to_xyz
    assert matrix is not None
    return matrix
