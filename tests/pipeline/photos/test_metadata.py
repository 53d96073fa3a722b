"""What a photo carries is kept, or converted by the standard, or its loss reported; what is untrue goes."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.ExifTags import IFD
from PIL.JpegImagePlugin import get_sampling

from pipeline.enhancement.one_photo import Settings, enhance_photo
from pipeline.models.model_folder import Model
from pipeline.photos.decoding import decode_original, read_exif
from pipeline.photos.headers import HEAD_BYTES, software, tells_all
from pipeline.photos.photoshop import iptc_of, iptc_resource
from pipeline.photos.writing import EncodedPhoto
from pipeline.photos.xmp import corrected, joined, split
from wespe.networks.resnet import ResNet, ResNetConfig

SUFFIXES = [".jpg", ".png", ".tif", ".webp", ".avif"]
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return Model(ResNet(ResNetConfig(width=4, blocks=1)).eval(), {"camera": "phone"}, "0123456789abcdef")


def photo() -> np.ndarray:
    y, x = np.mgrid[:64, :96]
    return np.stack([x * 2, y * 3, x + y], -1).astype(np.uint8)


def encoded(image: np.ndarray | Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def enhanced(model: Model, data: bytes, suffix: str, **settings) -> EncodedPhoto:
    return enhance_photo(model, io.BytesIO(data), suffix, Settings(**settings))


def xmp(properties: str) -> bytes:
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {RDF}><rdf:Description rdf:about="" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
        'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" '
        f'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" {properties}'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".png"])
def test_iptc_over_several_segments_is_whole(suffix, model):
    resources = iptc_resource(
        b"\x1c\x02\x78\x80\x04" + struct.pack(">I", 150_000) + b"caption. " * 16_666 + b"caption"
    )
    pieces = [resources[start : start + 65_000] for start in range(0, len(resources), 65_000)]
    extra = b"".join(segment(0xED, b"Photoshop 3.0\0" + piece) for piece in pieces)
    result = enhanced(model, encoded(photo(), "JPEG", extra=extra), suffix)
    assert decode_original(bytes(result.data)).metadata.photoshop == resources
    assert result.warnings == ()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_xmp_longer_than_a_segment_is_whole(suffix, model):
    """Protects: 96 KB of it, from a PNG, and again out of each format into a JPEG."""
    packet = xmp(f'tiff:Orientation="6"><dc:description>{"keep me " * 12_000}</dc:description>')
    chunk = b"iTXtXML:com.adobe.xmp" + bytes(5) + packet
    whole = encoded(photo(), "PNG")
    source = (
        whole[:33]
        + struct.pack(">I", len(chunk) - 4)
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + whole[33:]
    )
    once = enhanced(model, source, suffix)
    twice = enhanced(model, bytes(once.data), ".jpg")
    for result in (once, twice):
        found = decode_original(bytes(result.data)).metadata.xmp
        assert found.count(b"keep me ") == 12_000
        assert b'Orientation="1"' in found
        assert result.warnings == ()


def test_extended_xmp_is_joined_from_pieces_in_any_order():
    packet = xmp(
        "><dc:title>short</dc:title>" + "".join(f"<dc:p{n}>{'x' * 30_000}</dc:p{n}>" for n in range(9))
    )
    main, pieces, warnings = split(packet, 65_000)
    assert len(main) <= 65_000
    assert max(map(len, pieces)) + 35 <= 65_533
    assert warnings == ()
    whole, warnings = joined(main, pieces[::-1])
    assert warnings == ()
    assert b"HasExtendedXMP" not in whole
    assert all(whole.count(f"<dc:p{n}>".encode()) == 1 for n in range(9))
    assert joined(main, pieces[1:]) == (main, ("its extended XMP is damaged and was not kept",))


def test_xmp_references_to_missing_content_are_removed():
    packet = xmp(
        'GCamera:MotionPhoto="1" GCamera:MicroVideoOffset="9" hdrgm:Version="1.0" '
        'tiff:Orientation="6" tiff:ImageWidth="96"><dc:title>stays</dc:title>'
    )
    after = corrected(packet, 64, 96)
    assert not any(word in after for word in (b"MotionPhoto=", b"MicroVideo", b"hdrgm:Version"))
    assert all(word in after for word in (b"stays", b'Orientation="1"', b'ImageWidth="64"'))
    assert corrected(xmp('tiff:Orientation="1">'), 64, 96) == xmp('tiff:Orientation="1">'), "byte for byte"
    hostile = b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]>" + packet
    assert corrected(hostile, 1, 1) == hostile.replace(b'Orientation="6"', b'Orientation="1"')


def test_a_motion_photo_says_that_its_video_is_lost(model):
    data = encoded(photo(), "JPEG", xmp=xmp('GCamera:MotionPhoto="1">')) + b"\0\0\0\x18ftypisom" + bytes(4096)
    result = enhanced(model, data, ".jpg")
    assert result.warnings == ("the video of this motion photo was not kept",)
    assert decode_original(bytes(result.data)).warnings == ()


def full_block(note_bytes: int) -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0132] = "Acme", "2020:01:02 03:04:05"
    exif.get_ifd(IFD.Exif)[0x927C] = np.random.default_rng(0).bytes(note_bytes)
    return exif.tobytes()


def test_exif_that_fills_its_segment_is_kept_whole(model):
    block = full_block(65_425)
    assert 65_500 < len(block) <= 65_533
    result = enhanced(model, encoded(photo(), "JPEG", exif=block), ".jpg")
    with Image.open(io.BytesIO(result.data)) as image:
        note = image.getexif().get_ifd(IFD.Exif)[0x927C]
    assert note == np.random.default_rng(0).bytes(65_425)
    assert "wespe phone 0123456789ab" in software(io.BytesIO(result.data)), "so that a second run knows it"
    assert "written to a comment" in result.warnings[0]


def test_exif_longer_than_a_segment_loses_its_largest_value_and_says_so(model):
    """Protects: the photo and the rest of its EXIF are written."""
    source = encoded(photo(), "PNG", exif=full_block(90_000))
    kept = enhanced(model, source, ".webp")
    assert kept.warnings == ()
    assert len(decode_original(bytes(kept.data)).metadata.exif) > 90_000
    result = enhanced(model, source, ".jpg")
    assert result.warnings == ("EXIF too long for JPEG: MakerNote not kept",)
    assert read_exif(bytes(result.data)).make == "Acme"


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "TIFF"])
def test_exif_at_the_end_of_a_file_tells_the_camera(kind):
    """Protects: `--model auto`. The first 64 KB do not suffice, and that is known."""
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Acme", "Pocket 3"
    data = encoded(noise, kind, exif=exif, **({} if kind == "TIFF" else {"quality": 100}))
    if kind == "TIFF":
        start = struct.unpack_from("<I", data, 4)[0]
        data = data[:4] + struct.pack("<I", len(data)) + data[8:] + data[start:start + 600]  # fmt: skip
    assert not tells_all(data[:HEAD_BYTES])
    assert read_exif(data).model == "Pocket 3"


def test_a_webp_that_announces_no_exif_is_not_read_whole():
    assert tells_all(encoded(np.zeros((9, 9, 3), np.uint8), "WEBP"))


def test_imagemagick_s_exif_in_a_png_counts_and_becomes_a_real_one(model):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Acme"
    raw = exif.tobytes()
    text = b"\nexif\n%8d\n" % len(raw) + raw.hex().encode() + b"\n"
    chunk = b"zTXtRaw profile type exif\0\0" + zlib.compress(text)
    whole = encoded(photo(), "PNG")
    source = (
        whole[:33]
        + struct.pack(">I", len(chunk) - 4)
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + whole[33:]
    )
    assert decode_original(source).photo_hwc.shape == (96, 64, 3), "turned upright"
    after = bytes(enhanced(model, source, ".png").data)
    assert b"Raw profile" not in after
    assert (read_exif(after).make, read_exif(after).orientation) == ("Acme", 1)


@pytest.mark.parametrize("text", ["© Jörg".encode(), "© Jörg".encode("latin-1")])
def test_texts_and_interop_of_a_tiff_keep_their_bytes(text, model):
    exif = Image.Exif()
    exif[0x8298], exif[0x010F] = "c" * len(text), "Acme"
    exif.get_ifd(IFD.Exif)[0xA005] = {1: "R98", 2: b"0100"}
    tiff = encoded(photo(), "JPEG", exif=exif)
    block = decode_original(tiff).metadata.exif.replace(b"c" * len(text), text)
    source = bytes(enhanced(model, encoded(photo(), "JPEG", exif=b"Exif\0\0" + block), ".tif").data)
    for suffix in SUFFIXES:
        after = decode_original(bytes(enhanced(model, source, suffix).data)).metadata.exif
        assert text + b"\0" in after
        tags = Image.Exif()
        tags.load(b"Exif\0\0" + after)
        assert tags.get_ifd(IFD.Exif)  # pillow reads Interop only through it
        assert tags.get_ifd(IFD.Interop)[1] == "R98"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("density", [(0, 0), (72, 0), (2**32 - 1, 1)])
def test_an_invalid_resolution_loses_nothing_else(density, model):
    tiff = encoded(photo(), "TIFF", dpi=(300, 300)).replace(
        struct.pack("<II", 300, 1), struct.pack("<II", *density)
    )
    for suffix in SUFFIXES:
        result = enhanced(model, tiff, suffix)
        assert struct.pack("<II", *density) in decode_original(bytes(result.data)).metadata.exif


def test_a_gray_jpeg_keeps_its_tables(model):
    source = encoded(photo()[..., 0], "JPEG", quality=37)
    with (
        Image.open(io.BytesIO(enhanced(model, source, ".jpg").data)) as after,
        Image.open(io.BytesIO(source)) as before,
    ):
        assert (after.mode, after.quantization) == ("L", before.quantization)


def test_4_4_0_keeps_its_tables_and_all_of_its_colour(model):
    """Protects: what is left of 4:2:2 after a lossless quarter turn; Pillow cannot write it, so as 4:4:4."""
    source = bytearray(encoded(photo(), "JPEG", quality=61, subsampling=1))
    source[source.index(b"\xff\xc0") + 11] = 0x12
    with Image.open(io.BytesIO(enhanced(model, bytes(source), ".jpg").data)) as after:
        assert get_sampling(after) == 0
        with Image.open(io.BytesIO(source)) as before:
            assert after.quantization == before.quantization


def test_adobe_rgb_without_a_profile_is_read_as_such(model):
    """Protects: cameras set to Adobe RGB, which say so by Interop's R03 alone (DCF 2.0)."""
    exif = Image.Exif()
    exif[0x010F] = "Acme"
    exif.get_ifd(IFD.Exif)[0xA005] = {1: "R03"}
    original = decode_original(encoded(photo(), "JPEG", exif=exif, quality=100))
    assert original.colours is not None
    with Image.open(io.BytesIO(enhanced(model, encoded(photo(), "JPEG", exif=exif), ".jpg").data)) as after:
        assert after.info["icc_profile"] == original.profile


def test_iptc_is_taken_out_of_its_resource():
    assert iptc_of(iptc_resource(b"odd")) == b"odd"
    assert iptc_of(b"") == iptc_of(b"8BIM") == iptc_of(b"rubbish") == b""
