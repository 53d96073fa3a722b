"""Photos in the colours of their own profile: to sRGB as LittleCMS does it, and back without loss."""

import io
import os

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from pipeline.photos.colour_profile import Colours

NAMES = ["sRGB", "Display P3", "Adobe RGB", "table"]


def nchw(photo_hwc: np.ndarray) -> torch.Tensor:
    return torch.tensor(photo_hwc).permute(2, 0, 1)[None].float() / 255


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_srgb_is_what_littlecms_makes_of_it(name, photo, profiles):
    profile = ImageCms.ImageCmsProfile(io.BytesIO(profiles[name]))
    expected = ImageCms.profileToProfile(Image.fromarray(photo), profile, ImageCms.createProfile("sRGB"))
    found = Colours.of(profiles[name]).srgb(nchw(photo)) * 255
    assert (found - nchw(np.asarray(expected)) * 255).abs().max() < 2
    assert (found - nchw(np.asarray(expected)) * 255).abs().mean() < 0.4


@pytest.mark.parametrize("name", NAMES)
def test_converting_to_srgb_and_back_loses_no_16_bit_level(name, profiles):
    """Protects: dark and bright greys and muted colours, which every profile has."""
    colours = Colours.of(profiles[name])
    darkest = 0.01 if name == "table" else 0  # its 16-bit entries are equal there
    grey = torch.linspace(darkest, 1, 5000).expand(3, 1, 5000)
    muted = torch.rand(3, 50, 100) * 0.3 + 0.4
    for values in (grey, muted):
        back = colours.native(colours.srgb(values[None]))
        assert (back - values).abs().max() < 0.5 / 65535 * 4


def test_srgb_profiles_are_recognised(profiles):
    assert {name for name, profile in profiles.items() if Colours.of(profile).is_srgb()} == {"sRGB"}


@pytest.mark.parametrize("profile", [b"", b"rubbish", bytes(200), os.urandom(500)])
def test_a_broken_profile_is_ignored(profile, profiles):
    assert Colours.of(profile) is None
    assert Colours.of(profiles["table"][:400]) is None
