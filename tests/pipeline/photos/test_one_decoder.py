"""Every variant of every format decodes to the values of its specification, and to the same for everyone."""

import io

import numpy as np
import pytest
import torch

from pipeline.enhancement.one_photo import Settings, enhance_photo
from pipeline.models.model_folder import Model
from pipeline.photos.decoding import decode_original
from pipeline.photos.images import decode_photo
from pipeline.photos.original import Original
from wespe.generator import Generator


class Witness(Generator):
    """A generator that changes nothing, and remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, photos_nchw: torch.Tensor, *_: object) -> torch.Tensor:
        self.seen = photos_nchw.clone()
        return photos_nchw


@pytest.fixture
def model() -> Model:
    return Model(Witness().eval(), {"camera": "phone"}, "0" * 64)


def test_samples_mean_what_the_file_says(variant):
    """Protects: no value is guessed. Gray stays gray, 16 bits stay 16, alpha stays apart."""
    original = decode_original(variant.data)
    assert np.abs(original.srgb_hwc().astype(int) - variant.srgb_hwc).max() <= variant.levels
    facts = {"gray"} if original.gray else set()
    facts |= {"alpha"} if original.alpha_hw is not None else set()
    facts |= {"deep"} if original.photo_hwc.dtype == np.uint16 else set()
    assert facts == variant.facts


def test_training_and_enhancing_see_the_same(variant, model):
    """Protects: training and enhancement decode photos in the same way."""
    original = decode_original(variant.data)
    model.enhance(original.photo_hwc, colours=original.colours)
    seen = model.generator.seen[0].permute(1, 2, 0).numpy() * 255
    if original.alpha_hw is not None:
        share = (original.alpha_hw / np.iinfo(original.alpha_hw.dtype).max)[..., None]
        seen = seen * share + 255 * (1 - share)
    assert np.abs(seen - decode_photo(variant.data)).max() <= 0.56  # rounding, and a table's step


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_what_is_written_reads_back_as_the_same_picture(suffix, variant, model):
    """Protects: gray in, gray out; 16 bits in, 16 out; alpha and profile lead to the same colours."""
    original = decode_original(variant.data)
    settings = Settings(strength=0, quality=90)
    result = enhance_photo(model, io.BytesIO(variant.data), suffix, settings)
    again = decode_original(bytes(result.data))
    assert (again.gray, again.photo_hwc.dtype) == (original.gray, original.photo_hwc.dtype)
    assert (again.photo_hwc == original.photo_hwc).all()
    assert np.abs(again.srgb_hwc().astype(int) - original.srgb_hwc()).max() <= 1
    if original.alpha_hw is not None:
        assert (again.alpha_hw == original.alpha_hw).all()
    assert again.warnings == ()


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif"])
def test_formats_of_8_bits_show_the_same_picture(suffix, variant, model):
    original = decode_original(variant.data)
    settings = Settings(strength=0, quality=100)
    again = decode_original(bytes(enhance_photo(model, io.BytesIO(variant.data), suffix, settings).data))
    assert again.gray == (original.gray and suffix == ".jpg")
    tolerance = 6 if suffix in (".webp", ".avif") else 4  # these halve the resolution of colour
    assert np.abs(again.srgb_hwc().astype(int) - original.srgb_hwc()).mean() < tolerance


def test_jpeg_xl_shows_the_same_picture(variant, model):
    """Protects: gray, 16 bits, alpha and every colour space, which the header alone describes."""
    original = decode_original(variant.data)
    settings = Settings(strength=0, quality=100)
    again = decode_original(bytes(enhance_photo(model, io.BytesIO(variant.data), ".jxl", settings).data))
    assert (again.gray, again.photo_hwc.dtype) == (original.gray, original.photo_hwc.dtype)
    assert (again.colours is None) == (original.colours is None or is_linear_srgb(original))
    assert np.abs(again.srgb_hwc().astype(int) - original.srgb_hwc()).mean() < 1
    if original.alpha_hw is not None:
        assert np.abs(again.alpha_hw.astype(int) - original.alpha_hw).max() <= 1
    assert again.warnings == ()


def is_linear_srgb(original: Original) -> bool:
    """Whether only the curve is not sRGB's: JPEG XL gets values with the curve of sRGB."""
    matrix = torch.eye(3)
    return original.colours is not None and bool((original.colours.to_srgb - matrix).abs().max() < 1e-2)
