"""What a model decided for a photo is told, noted in the result, and applied as a crop if asked for."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from pipeline.enhancement.one_photo import Settings, enhance_photo, readable
from pipeline.errors import PhotoError
from pipeline.models.model_folder import Model
from wespe.methods import build_generator
from wespe.methods.enhancegan import EnhanceGanConfig
from wespe.methods.srcnn import SrcnnConfig
from wespe.networks.features import ContentConfig

SOFTWARE = 0x0131


@pytest.fixture
def photo() -> bytes:
    file = io.BytesIO()
    Image.fromarray(data.chelsea()).save(file, "JPEG", quality=95)
    return file.getvalue()


def model(**settings) -> Model:
    torch.manual_seed(0)
    content = ContentConfig(backbone="resnet18", layers={"layer1": 1.0}, weights="random")
    generator = build_generator(EnhanceGanConfig(content=content, **settings)).eval().requires_grad_(False)
    torch.nn.init.normal_(generator.decider.proposals.weight, std=2)
    return Model(generator, {"camera": "phone"}, "5ea1" * 16)


def test_what_was_decided_is_told_and_noted(photo: bytes) -> None:
    """Protects: a person can read in the file itself what was done to it."""
    encoded = enhance_photo(model(), io.BytesIO(photo), ".jpg", Settings())
    assert list(encoded.decided) == ["curves"]
    note = Image.open(io.BytesIO(encoded.data)).getexif()[SOFTWARE]
    assert note.startswith("wespe phone 5ea15ea15ea1, strength 1: curves a ")
    assert readable(encoded.decided) in note


def test_a_crop_keeps_the_decided_part(photo: bytes) -> None:
    one = model(crop=True, least_share=0.5)
    whole = enhance_photo(one, io.BytesIO(photo), ".png", Settings())
    cut = enhance_photo(one, io.BytesIO(photo), ".png", Settings(crop=True))
    full, part = (np.asarray(Image.open(io.BytesIO(encoded.data))) for encoded in (whole, cut))
    box = cut.decided["crop"]
    top, left = round(box["top"] * full.shape[0]), round(box["left"] * full.shape[1])
    assert part.shape[:2] == (round(box["height"] * full.shape[0]), round(box["width"] * full.shape[1]))
    assert part.size < full.size
    assert np.array_equal(part, full[top : top + part.shape[0], left : left + part.shape[1]])


@pytest.mark.parametrize("config", [SrcnnConfig(), EnhanceGanConfig()])
def test_a_model_without_crop_says_so(photo: bytes, config) -> None:
    one = Model(build_generator(config).eval().requires_grad_(False), {}, "")
    with pytest.raises(PhotoError, match="the model decides no crop; leave out --crop"):
        enhance_photo(one, io.BytesIO(photo), ".jpg", Settings(crop=True))
