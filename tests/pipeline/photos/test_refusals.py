"""What cannot be read with certainty is refused with the reason; what is lost on the way is reported."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from pipeline.enhancement.one_photo import Settings, enhance_photo
from pipeline.errors import PhotoError
from pipeline.models.model_folder import Model
from pipeline.photos import size_limit
from pipeline.photos.decoding import decode_original
from wespe.networks.resnet import ResNet, ResNetConfig

SIGNATURE = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return Model(ResNet(ResNetConfig(width=4, blocks=1)).eval(), {"camera": "phone"}, "0" * 64)


def encoded(image: np.ndarray | Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def noise(height: int = 64, width: int = 80) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def tiff_of(values: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, metadata=None, **options)
    return file.getvalue()


def with_chunk(png: bytes, kind: bytes, content: bytes) -> bytes:
    packed = struct.pack(">I", len(content)) + kind + content
    return png[:33] + packed + struct.pack(">I", zlib.crc32(kind + content)) + png[33:]


def volume() -> bytes:
    return tiff_of(np.zeros((4, 8, 8), np.uint8), photometric="minisblack", volumetric=True)


def png_of(primaries: int, transfer: int, full_range: int = 1) -> bytes:
    return with_chunk(encoded(noise(), "PNG"), b"cICP", bytes([primaries, transfer, 0, full_range]))


def avif_of_pq() -> bytes:
    return imagecodecs.avif_encode(noise(), level=90, primaries=9, transfer=16)


REFUSED = {
    "floats": (lambda: tiff_of(noise().astype(np.float32) / 255, photometric="rgb"), "floating-point"),
    "signed": (lambda: tiff_of(noise().astype(np.int16), photometric="rgb"), "signed pixels"),
    "CIELab": (lambda: tiff_of(noise(), photometric="cielab"), "CIELAB"),
    "raw sensor": (lambda: tiff_of(noise()[..., 0], photometric="cfa"), "RAW"),
    "volume": (volume, "dimensions"),
    "PQ in PNG": (lambda: png_of(9, 16), "HDR brightness .PQ"),
    "HLG in PNG": (lambda: png_of(9, 18), "HDR brightness .HLG"),
    "video levels": (lambda: png_of(1, 13, 0), "video levels"),
    "PQ in AVIF": (avif_of_pq, "HDR brightness"),
    "truncated": (lambda: encoded(noise(), "JPEG")[:-400], "truncated"),
    "truncated, then zeros": (lambda: encoded(noise(), "JPEG")[:-400] + bytes(4000), "truncated"),
    "truncated progressive": (lambda: encoded(noise(), "JPEG", progressive=True)[:-400], "truncated"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_unsupported_photos_are_rejected_with_the_reason(name):
    build, reason = REFUSED[name]
    with pytest.raises(PhotoError, match=reason):
        decode_original(build())


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_lacks_only_its_end_marker_is_read(progressive):
    whole = encoded(noise(), "JPEG", progressive=progressive)
    original = decode_original(whole[:-2])
    assert (original.photo_hwc == decode_original(whole).photo_hwc).all()
    assert original.warnings == ("its end marker is missing, but it is complete",)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "TIFF"])
def test_of_several_frames_the_first_is_used_and_reported(kind, model):
    frames = [Image.fromarray(np.roll(noise(), 10 * n, 0)) for n in range(3)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    result = enhance_photo(model, io.BytesIO(data), ".png", Settings())
    assert "only the first of its 3 frames is used" in result.warnings


def test_a_preview_before_the_photo_is_not_taken_for_it():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(noise()[::4, ::4].copy(), subfiletype=1, photometric="rgb", metadata=None)
        writer.write(noise(), photometric="rgb", metadata=None)
    original = decode_original(file.getvalue())
    assert original.photo_hwc.shape == noise().shape
    assert original.warnings == ()


def test_a_large_jpeg_is_read_reduced_where_it_does_not_fit_whole(model, monkeypatch):
    """Protects: phones' 200 megapixels. Decoding itself shrinks; nothing of the whole size is made."""
    ramp = np.linspace(0, 255, 1600).astype(np.uint8)[:, None]
    photo = np.ascontiguousarray(np.broadcast_to(ramp, (1200, 1600, 3)))
    data = encoded(photo, "JPEG", quality=95)
    monkeypatch.setattr(size_limit, "available_bytes", lambda: 20_000_000)
    with pytest.raises(PhotoError, match=r"2 million pixels need about 0\.0 GB .*--max-megapixels"):
        decode_original(data)
    reduced = decode_original(data, max_megapixels=0.3)
    height, width, _ = reduced.photo_hwc.shape
    assert height * width <= 300_000 < (height + 1) * (width + 1) * 1.02
    expected = np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.LANCZOS))
    assert np.abs(reduced.photo_hwc.astype(int) - np.asarray(expected)).max() <= 2
    assert enhance_photo(model, io.BytesIO(data), ".jpg", Settings(max_megapixels=0.3)).data


def test_transparent_colours_do_not_bleed_when_reduced():
    """Protects: edges. Invisible pixels next to a white shape must not darken it."""
    photo = np.zeros((64, 64, 4), np.uint8)
    photo[:, 32:] = 255
    reduced = decode_original(encoded(photo, "PNG"), max_megapixels=0.0009)
    visible = reduced.alpha_hw > 8
    assert visible.any()
    assert (reduced.photo_hwc[visible] >= 254).all()


def test_a_photo_too_wide_for_the_format_is_refused_before_the_work(model):
    data = encoded(np.zeros((16, 16_384, 3), np.uint8), "JPEG")
    with pytest.raises(PhotoError, match=r"16384×16 px: WEBP supports at most 16383 px a side"):
        enhance_photo(None, io.BytesIO(data), ".webp", Settings())
    assert enhance_photo(model, io.BytesIO(data), ".jpg", Settings()).data


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (encoded(noise(), "GIF"), "a GIF"),
        (encoded(noise(), "BMP"), "a BMP"),
        (b"\n<!DOCTYPE html><title>Sign in</title>", "a web page"),
        (b"PK\3\4" + bytes(20), "a ZIP archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
    ],
)
def test_what_people_take_for_a_photo_is_named(data: bytes, name: str) -> None:
    """Protects: a login page saved as .jpg sends people looking for damage in the file."""
    with pytest.raises(PhotoError, match=f"^{name}.*not a JPEG, PNG, .*, HEIF or RAW photo"):
        decode_original(data)
