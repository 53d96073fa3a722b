"""Converts stored samples to gray or RGB, in a known profile or in sRGB."""

from typing import Any

import numpy as np
from imagecodecs import cms_transform

from pipeline.photos.colour_profile import Colours
from pipeline.photos.icc import Profile, read_profile, srgb_profile
from pipeline.photos.original import Samples

DAMAGED = "its colour profile is damaged or does not match the picture: its colours are treated as sRGB"
TABLES = "its colours were converted to sRGB: its profile consists of tables, which cannot be inverted"
CMYK = "its CMYK colours were converted to sRGB"
SPACES = {"L": "GRAY", "LA": "GRAY", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK"}


def interpreted(samples: Samples) -> dict[str, Any]:
    """Return the fields of Original about pixels: photo_hwc, alpha_hw, gray, profile, colours, warnings."""
    space, values = SPACES[samples.channels], samples.values_hwc
    colour_hwc, alpha = values, None
    if samples.channels in ("LA", "RGBA"):
        colour_hwc, alpha = values[..., :-1], np.ascontiguousarray(values[..., -1])
    profile, warnings = _profile(samples.profile, space)
    managed = _managed(colour_hwc, space, samples.profile, profile)
    warnings += managed.pop("warnings", ())
    return managed | {"alpha_hw": alpha, "gray": space == "GRAY", "warnings": samples.warnings + warnings}


def _profile(profile: bytes, space: str) -> tuple[Profile | None, tuple[str, ...]]:
    """Return the profile if it matches the samples. A gray photo may have an RGB profile with curves."""
    if not profile:
        return None, ()
    try:
        found = read_profile(profile)
    except ValueError:
        return None, (DAMAGED,)
    if found.space == space or (space == "GRAY" and found.space == "RGB" and found.curves is not None):
        return found, ()
    return None, (DAMAGED,)


def _managed(colour_hwc: np.ndarray, space: str, profile: bytes, found: Profile | None) -> dict[str, Any]:
    if space == "CMYK":
        photo = _by_tables(colour_hwc, profile, "cmyk") if found else _without_inks(colour_hwc)
        return {"photo_hwc": photo, "warnings": (CMYK,)}
    if found is None:
        return {"photo_hwc": _three(colour_hwc)}
    if found.curves is None:
        try:
            photo = _by_tables(colour_hwc, profile, "gray" if space == "GRAY" else "rgb")
        except (RuntimeError, ValueError):
            return {"photo_hwc": _three(colour_hwc), "warnings": (DAMAGED,)}
        return {"photo_hwc": photo, "warnings": (TABLES,)}
    colours = Colours.of_profile(found)
    plain = colours is None or colours.is_srgb()
    return {"photo_hwc": _three(colour_hwc), "profile": profile, "colours": None if plain else colours}


def _by_tables(colour_hwc: np.ndarray, profile: bytes, space: str) -> np.ndarray:
    values = np.ascontiguousarray(colour_hwc[..., 0] if space == "gray" else colour_hwc)
    photo = cms_transform(values, profile, srgb_profile(), colorspace=space, outcolorspace="rgb")
    if space == "gray":  # drop any tint that the tables add
        photo = _three(photo[..., 1:2])
    return photo


def _without_inks(cmyk_hwc: np.ndarray) -> np.ndarray:
    """Convert CMYK without a profile: RGB = (1 − ink) · (1 − black)."""
    levels = np.iinfo(cmyk_hwc.dtype).max
    inks = (levels - cmyk_hwc).astype(np.uint32)
    return ((inks[..., :3] * inks[..., 3:] + levels // 2) // levels).astype(cmyk_hwc.dtype)


def _three(colour_hwc: np.ndarray) -> np.ndarray:
    """Return three channels; gray is expanded without a copy."""
    if colour_hwc.shape[2] == 3:
        return np.ascontiguousarray(colour_hwc)
    return np.broadcast_to(colour_hwc, (*colour_hwc.shape[:2], 3))
