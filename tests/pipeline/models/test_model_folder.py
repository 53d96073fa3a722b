"""A model's one door: any depth, colours, strength and budget, and the same pixels."""

import numpy as np
import pytest
import torch
from skimage import data

from pipeline.errors import PhotoError
from pipeline.models.model_folder import Canvas, Model
from pipeline.photos.colour_profile import Colours
from wespe.generator import Generator
from wespe.networks.resnet import ResNet, ResNetConfig
from wespe.precision import Bfloat16Generator, suits_bfloat16


def model(norm: str = "none", output: str = "tanh") -> Model:
    torch.manual_seed(0)
    return Model(ResNet(ResNetConfig(width=4, blocks=1, norm=norm, output=output)).eval(), {}, "")


@pytest.fixture
def photo() -> np.ndarray:
    return data.chelsea()[:150, :200]


@pytest.mark.parametrize("norm", ["none", "instance"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("colours", [None, "Display P3"])
def test_a_small_budget_changes_no_pixel(norm, dtype, colours, photo, profiles):
    photo = photo.astype(dtype) * (257 if dtype == np.uint16 else 1)
    known = Colours.of(profiles[colours]) if colours else None
    whole = model(norm).enhance(photo, colours=known)
    tiled = model(norm).enhance(photo, colours=known, budget_bytes=1_000_000)
    assert whole.dtype == dtype
    difference = np.abs(tiled.astype(int) - whole)
    assert difference.max() <= (1 if dtype == np.uint8 else 2)
    assert (difference > 0).mean() < (1e-3 if dtype == np.uint8 else 0.2)


@pytest.mark.parametrize("colours", ["sRGB", "Display P3", "Adobe RGB"])
def test_strength_0_keeps_pixels_and_half_is_in_between(colours, photo, profiles):
    """Protects: colours outside sRGB are kept as well, such as the noise here."""
    noise = np.random.default_rng(0).integers(0, 65536, (80, 90, 3), np.uint16)
    known = Colours.of(profiles[colours])
    for untouched in (photo, noise):
        at = {s: model().enhance(untouched, strength=s, colours=known).astype(int) for s in (0, 0.5, 1)}
        assert (at[0] == untouched).all()
        assert np.abs(at[1] - untouched).mean() > 5
        assert np.abs(at[0.5] - (at[1] + untouched) / 2).max() <= 1


@pytest.mark.parametrize("colours", ["Display P3", "Adobe RGB"])
def test_a_model_that_changes_nothing_changes_nothing_in_any_colours(colours, profiles):
    """Protects: saturated colours, which a plain conversion to sRGB and back would clip."""
    noise = np.random.default_rng(0).integers(0, 65536, (80, 90, 3), np.uint16)
    enhanced = model(output="residual").enhance(noise, colours=Colours.of(profiles[colours]))
    assert np.abs(enhanced.astype(int) - noise).max() <= 1


def test_16_bits_are_not_rounded_to_8_on_the_way():
    ramp = np.broadcast_to(np.arange(20000, 22048, dtype=np.uint16)[None, :, None], (8, 2048, 3))
    enhanced = model(output="residual").enhance(ramp)
    assert len(np.unique(enhanced)) == 2048


def test_what_cannot_be_tiled_is_refused_with_a_remedy(photo):
    class Mean(Generator):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 3, 1)

        def forward(self, photos_nchw, decision=None, place=None) -> torch.Tensor:
            return photos_nchw - photos_nchw.mean((2, 3), keepdim=True)

    with pytest.raises(PhotoError, match=r"0\.0 megapixels.*--max-megapixels.*wespe-stable"):
        Model(Mean(), {}, "").enhance(photo, budget_bytes=1_000_000)


@pytest.mark.parametrize("colours", [None, "Display P3"])
def test_a_network_sees_channels_last(colours, photo, profiles):
    """Protects: a third of the time. torch checks all strides, including that of the batch dimension."""
    known = Colours.of(profiles[colours]) if colours else None
    tile = Canvas(photo, photo.copy(), 1, known, torch.device("cpu")).read(slice(3, 40), slice(5, 50))
    assert tile.stride() == (37 * 45 * 3, 1, 45 * 3, 3)


def test_bfloat16_is_only_used_if_it_changes_at_most_one_level(photo):
    """Protects: on any processor, 8-bit results differ from float32 by at most one level."""
    for norm, output in (("none", "residual"), ("instance", "tanh")):
        torch.manual_seed(0)
        generator = ResNet(ResNetConfig(width=8, blocks=1, norm=norm, output=output)).eval()
        torch.nn.init.normal_(generator.tail[-1].weight, std=0.3)
        quick = Model(generator, {}, "")
        exact = Model(generator, {}, "")
        exact.__dict__["quick_tiling"] = exact.tiling
        assert np.abs(quick.enhance(photo).astype(int) - exact.enhance(photo)).max() <= 1
        assert not isinstance(quick.tiling.generator, Bfloat16Generator), "16 bits stay in float32"


def test_bfloat16_is_rejected_if_it_would_be_visible():
    """Protects: the check can fail, for a generator that amplifies rounding errors."""

    class Cancels(Generator):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 3, 1, bias=False).requires_grad_(False)
            self.layer.weight.copy_(1001 * torch.eye(3)[..., None, None])

        def forward(self, photos_nchw, decision=None, place=None) -> torch.Tensor:
            return self.layer(photos_nchw).float() - 1000 * photos_nchw

    generator = Cancels()
    assert not suits_bfloat16(generator)
