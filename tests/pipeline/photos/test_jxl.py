"""JPEG XL: metadata in its boxes, colour spaces in its header, and files that are not what they claim."""

import io
import struct
from contextlib import suppress

import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.enhancement.destinations import is_ours
from pipeline.enhancement.one_photo import Settings, enhance_photo
from pipeline.errors import PhotoError
from pipeline.models.model_folder import Model
from pipeline.photos import jxl, size_limit
from pipeline.photos.decoding import decode_original, read_exif
from pipeline.photos.exif_block import ExifBlock
from pipeline.photos.headers import HEAD_BYTES, read_header, tells_all
from pipeline.photos.icc import SRGB_CURVE, adobe_rgb_profile, gamma_curve, read_profile, rgb_profile
from pipeline.photos.jxl_header import Bits, Header, colours, depth, extra_channels, size
from pipeline.photos.jxl_header import read_header as read_codestream
from pipeline.photos.writing import Picture
from wespe.networks.resnet import ResNet, ResNetConfig

P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
PROPHOTO = ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), (0.3457, 0.3585)
PROFILES = {
    "sRGB": rgb_profile(SRGB_CURVE),
    "Display P3": rgb_profile(SRGB_CURVE, P3),
    "Adobe RGB": adobe_rgb_profile(),
    "ProPhoto": rgb_profile(gamma_curve(1.8), *PROPHOTO),
}
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><!-- kept --></x:xmpmeta>'


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return Model(ResNet(ResNetConfig(width=4, blocks=1)).eval(), {"camera": "phone"}, "0" * 64)


def gradient(height: int = 48, width: int = 64) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([40 + x * 3, 40 + y * 4, 250 - (x + y)], -1).astype(np.uint8)


def exif(orientation: int = 1) -> bytes:
    block = ExifBlock()
    block.set(271, "ascii", "Acme")
    block.set(272, "ascii", "Eye 3")
    block.set(274, "short", orientation)
    return bytes(block.finished())


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


def boxed(*boxes: bytes, pixels: np.ndarray | None = None) -> bytes:
    codestream = imagecodecs.jpegxl_encode(gradient() if pixels is None else pixels, lossless=True)
    return jxl.CONTAINER + box(b"ftyp", b"jxl \0\0\0\0jxl ") + b"".join(boxes) + box(b"jxlc", codestream)


def xyz(values: np.ndarray, profile: bytes) -> np.ndarray:
    """The light of values, whatever their colour space."""
    found, step = read_profile(profile), 65535 // np.iinfo(values.dtype).max
    light = np.stack([found.curves[n].take(values[..., n].astype(int) * step) for n in range(3)], -1)
    return light @ found.to_xyz.T


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("name", PROFILES)
def test_colours_outside_srgb_are_kept(name, dtype):
    """Protects: the primaries in the header, by libjxl's own conversion from XYB to them."""
    values = gradient().astype(dtype) * (np.iinfo(dtype).max // 255)
    file = bytes(jxl.write(Picture(values_hwc=values, profile=PROFILES[name], quality=100)).data)
    original = decode_original(file)
    again = xyz(original.photo_hwc, original.profile or PROFILES["sRGB"])
    assert np.abs(again - xyz(values, PROFILES[name])).max() < 0.012
    assert original.photo_hwc.dtype == dtype
    if name != "sRGB":  # read as sRGB, it would show other colours
        assert np.abs(xyz(original.photo_hwc, PROFILES["sRGB"]) - xyz(values, PROFILES[name])).max() > 0.03


def test_quality_sets_size_and_error():
    def written(quality: int | None, layout: dict) -> int:
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        return len(jxl.write(Picture(values_hwc=noise, quality=quality, layout=layout)).data)

    assert written(40, {}) < written(80, {}) < written(95, {}) == written(None, {}) < written(100, {})
    assert written(None, {"fine": True}) == written(100, {})


@pytest.mark.parametrize("packed", [False, True])
def test_metadata_is_kept(packed, model, tmp_path):
    """Protects: EXIF and XMP in plain boxes and in cjxl's compressed ones; and the note about wespe."""
    boxes = [(b"Exif", bytes(4) + exif(orientation=6)), (b"xml ", XMP)]
    if packed:
        boxes = [(b"brob", kind + imagecodecs.brotli_encode(content)) for kind, content in boxes]
    source = boxed(*(box(*one) for one in boxes))
    assert read_exif(source).model == "Eye 3"
    original = decode_original(source)
    assert original.metadata.xmp == XMP
    assert original.photo_hwc.shape == gradient().shape  # the header's orientation counts, not that of EXIF
    result = enhance_photo(model, io.BytesIO(source), ".jxl", Settings())
    again = decode_original(bytes(result.data))
    assert again.metadata.xmp == XMP
    after = read_exif(bytes(result.data))
    assert (after.make, after.model, after.orientation) == ("Acme", "Eye 3", 1)
    (tmp_path / "result.jxl").write_bytes(result.data)
    assert is_ours(tmp_path / "result.jxl")
    assert is_ours(io.BytesIO(result.data))
    (tmp_path / "source.jxl").write_bytes(source)
    assert not is_ours(tmp_path / "source.jxl")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_metadata_moves_to_and_from_other_formats(suffix, model):
    source = boxed(box(b"Exif", bytes(4) + exif()), box(b"xml ", XMP))
    there = bytes(enhance_photo(model, io.BytesIO(source), suffix, Settings()).data)
    back = bytes(enhance_photo(model, io.BytesIO(there), ".jxl", Settings()).data)
    for data in (there, back):
        assert read_exif(data).model == "Eye 3"
        assert decode_original(data).metadata.xmp == XMP


def test_the_header_is_read_from_the_head(model):
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    data = boxed(box(b"Exif", bytes(4) + exif()), pixels=noise)
    assert len(data) > HEAD_BYTES
    header = read_header(data[:HEAD_BYTES], len(data))
    assert (header.pixels, header.make, header.model) == (60_000, "Acme", "Eye 3")
    assert tells_all(data[:HEAD_BYTES])
    late = boxed(pixels=noise) + box(b"Exif", bytes(4) + exif())
    assert not tells_all(late[:HEAD_BYTES])
    assert read_header(late, len(late)).model == "Eye 3"


@pytest.mark.parametrize("sides", [(8, 8), (64, 48), (9, 7), (256, 256), (300, 200), (1, 5_000), (160, 90)])
def test_sizes_of_all_codings_are_read(sides):
    """Protects: the size limit. Small sizes, ratios and large numbers are coded differently."""
    width, height = sides
    header = read_codestream(imagecodecs.jpegxl_encode(np.zeros((height, width, 3), np.uint8), lossless=True))
    assert (header.width, header.height) == sides


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch):
    """Protects: memory. A size of 2^30 pixels a side in a few bytes."""
    monkeypatch.setattr(size_limit, "available_bytes", lambda: 2 * 10**9)
    side = (0b11, 2), (99_999, 30)
    bomb = b"\xff\x0a" + joined((0, 1), *side, (0, 3), *side, (1, 1))
    assert read_codestream(bomb).width == 100_000
    with pytest.raises(PhotoError, match=r"10000 million pixels need about 160\.0 GB"):
        decode_original(bomb)
    brotli = b"xml " + imagecodecs.brotli_encode(bytes(10**8))
    assert len(brotli) < 1_000
    with pytest.raises(PhotoError, match="cannot be decoded"):
        decode_original(boxed(box(b"brob", brotli)))


def joined(*fields: tuple[int, int]) -> bytes:
    """Bits, each field as (value, number of bits), the lowest of each byte first."""
    whole = count = 0
    for value, width in fields:
        whole, count = whole | value << count, count + width
    return whole.to_bytes(-(-count // 8), "little")


def with_colours(*fields: tuple[int, int]) -> bytes:
    """A file of 8 bits and 8×8 pixels with these colours in its header, and rubbish after it."""
    size, nothing_default, eight_bits = (1 | 1 << 6, 9), (0, 2), (0, 3)
    return (
        b"\xff\x0a" + joined(size, nothing_default, eight_bits, (1, 1), (0, 2), (0, 1), *fields) + bytes(64)
    )


DEFAULT, ICC, RGB, D65, SRGB = (0, 1), (0, 1), (0, 2), (1, 2), (1, 2)
UNSUPPORTED = {
    "PQ": ((DEFAULT, ICC, RGB, D65, SRGB, (0, 1), (0b10 | 14 << 2, 6), (1, 2)), "HDR brightness .PQ"),
    "HLG": ((DEFAULT, ICC, RGB, D65, SRGB, (0, 1), (0b11 | 0 << 2, 8), (1, 2)), "HDR brightness .HLG"),
    "an ICC profile": ((DEFAULT, (1, 1), RGB), "its ICC profile cannot be read from JPEG XL; save it as PNG"),
    "XYB shown": ((DEFAULT, ICC, (0b10, 6)), "its colour space is unsupported"),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_colours_that_cannot_be_shown_are_refused(name):
    """Protects: no guessing. An ICC profile is compressed in a way that only libjxl can read."""
    fields, reason = UNSUPPORTED[name]
    with pytest.raises(PhotoError, match=reason):
        decode_original(with_colours(*fields))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_photo_is_upright(orientation):
    """Protects: the orientation of the header, which the decoder applies, is not applied again."""
    codestream = imagecodecs.jpegxl_encode(gradient(), lossless=True)
    bits = Bits(codestream)
    size(bits)
    end_of_size = bits.place
    assert bits.take(2) == 0  # neither default values nor extra fields
    depth(bits)
    extra_channels(bits, header := Header(width=0, height=0))
    bits.skip(1)
    colours(bits, header)
    after = Bits(codestream, end_of_size + 2)
    described = joined(
        (Bits(codestream).take(end_of_size - 16), end_of_size - 16),
        *((0, 1), (1, 1), (orientation - 1, 3), (0, 3)),
        (after.take(bits.place - after.place), bits.place - end_of_size - 2),
        *((1, 1), (bits.take(3), 3)),
    )
    turned = b"\xff\x0a" + described + codestream[-(-bits.place // 8) :]
    original = decode_original(turned)
    quarters = {1: 0, 3: 2, 6: 3, 8: 1}[orientation]
    assert (original.photo_hwc == np.rot90(gradient(), quarters)).all()


def test_floats_are_refused():
    with pytest.raises(PhotoError, match="floating-point pixels are unsupported"):
        decode_original(imagecodecs.jpegxl_encode(np.zeros((8, 8, 3), np.float32)))


def test_broken_files_give_one_line():
    whole = imagecodecs.jpegxl_encode(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    for data in (whole[: len(whole) // 2], whole[:12], b"\xff\x0a", jxl.CONTAINER, boxed()[:60]):
        with pytest.raises(PhotoError) as caught:
            decode_original(data)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 200
        read_exif(data)


@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes_never_raise_anything_else():
    """Protects: the stage. Bytes flipped at random, in header and body, give a photo or a PhotoError."""
    random = np.random.default_rng(0)
    whole = np.frombuffer(boxed(box(b"Exif", bytes(4) + exif()), box(b"xml ", XMP)), np.uint8)
    for _ in range(200):
        damaged = whole.copy()
        damaged[random.integers(0, len(whole), 4)] = random.integers(0, 255, 4)
        read_exif(damaged.tobytes())
        with suppress(PhotoError):
            assert decode_original(damaged.tobytes()).photo_hwc.ndim == 3


def test_unsupported_metadata_is_reported(model):
    file = io.BytesIO()
    Image.fromarray(gradient()).save(file, "JPEG", comment=b"a comment")
    result = enhance_photo(model, io.BytesIO(file.getvalue()), ".jxl", Settings())
    assert result.warnings == ("its comments cannot be kept in JPEG XL",)
