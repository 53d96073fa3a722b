"""What a photo carries it carries when enhanced; what became untrue is put right; wishes are kept."""

import io
import re
import struct
from collections.abc import Callable

import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, PngImagePlugin
from PIL.ExifTags import IFD, Base
from PIL.JpegImagePlugin import get_sampling
from skimage import data

from pipeline.enhancement.one_photo import Settings, enhance_photo, readable, verify_tiles
from pipeline.errors import PhotoError
from pipeline.models.model_files import save_model
from pipeline.models.model_folder import Model
from pipeline.photos.decoding import decode_original
from pipeline.photos.images import decode_photo, read_exif
from wespe.methods.wespe import WespeConfig
from wespe.networks.resnet import ResNet, ResNetConfig

XMP = b'<x xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:title="\xc3\xa9"/></x>'
IPTC = b"\x1c\x02\x78\x00\x05hello"
PHOTOSHOP = b"8BIM\x04\x04\x00\x00" + struct.pack(">I", len(IPTC)) + IPTC
MAKER_NOTE = b"Maker\0" + bytes(range(256))
SUFFIXES = [".jpg", ".png", ".tif", ".webp", ".avif"]


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    generator = ResNet(ResNetConfig(width=4, blocks=1, norm="none", output="residual"))
    torch.nn.init.constant_(generator.tail[-1].bias, 0.5)
    return Model(generator.eval(), {"camera": "phone"}, "0123456789abcdef")


@pytest.fixture
def photo() -> np.ndarray:
    return np.ascontiguousarray(data.chelsea()[:64, :96])


@pytest.fixture
def full(photo: np.ndarray, profiles) -> bytes:
    """Make a JPEG on its side with all that a camera and an archive put into one."""
    exif = Image.Exif()
    exif[Base.Make], exif[Base.Orientation], exif[Base.Software] = "Maker", 6, "Firmware 1.2"
    exif.get_ifd(IFD.Exif).update(
        {Base.DateTimeOriginal: "2024:05:06 07:08:09", Base.MakerNote: MAKER_NOTE, Base.ExifImageWidth: 96}
    )
    exif.get_ifd(IFD.GPSInfo).update({1: "N", 2: (51.0, 30.0, 1.5)})
    extra = b"\xff\xed" + struct.pack(">H", len(PHOTOSHOP) + 16) + b"Photoshop 3.0\0" + PHOTOSHOP
    options = {"exif": exif.tobytes(), "xmp": XMP, "icc_profile": profiles["Display P3"], "extra": extra}
    return encoded(photo, "JPEG", dpi=(300, 300), comment=b"a comment", quality=83, subsampling=1, **options)


def encoded(pixels: np.ndarray | Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(file, kind, **options)
    return file.getvalue()


def enhance(model: Model, data: bytes, suffix: str, settings: Settings) -> bytes:
    return bytes(enhance_photo(model, io.BytesIO(data), suffix, settings).data)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def facts(image: Image.Image) -> dict[object, object]:
    tags = image.getexif()
    details = tags.get_ifd(IFD.Exif)
    return {
        "make": tags.get(Base.Make),
        "taken": details.get(Base.DateTimeOriginal),
        "gps": tags.get_ifd(IFD.GPSInfo),
        "maker note": details.get(Base.MakerNote),
        "width": details.get(Base.ExifImageWidth),
    }


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_metadata_is_kept_in_every_format(suffix, full, model, profiles):
    result = enhance(model, full, suffix, Settings())
    before, after = opened(full), opened(result)

    assert after.size == before.size[::-1], "turned upright"
    assert facts(after) == {**facts(before), "width": 64}
    assert after.getexif().get(Base.Orientation, 1) == 1
    assert read_exif(result).taken_at == "2024-05-06T07:08:09"
    assert after.getexif()[Base.Software] == "Firmware 1.2; wespe phone 0123456789ab, strength 1"
    assert after.info["icc_profile"] == profiles["Display P3"]
    xmp = after.info["xmp"]
    assert (xmp.encode() if isinstance(xmp, str) else xmp) == XMP.replace(
        b'Orientation="6"', b'Orientation="1"'
    )
    if suffix in (".jpg", ".png", ".tif"):
        assert after.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    if suffix in (".jpg", ".tif"):
        assert decode_original(result).metadata.photoshop == PHOTOSHOP
    if suffix == ".jpg":
        assert after.info["comment"] == b"a comment"
        assert (after.quantization, get_sampling(after)) == (before.quantization, 1)


@pytest.mark.parametrize("first", SUFFIXES)
@pytest.mark.parametrize("second", SUFFIXES)
def test_converting_twice_keeps_metadata(first, second, full, model):
    once = enhance(model, full, first, Settings())
    twice = opened(enhance(model, once, second, Settings(strength=0.25)))
    assert facts(twice) == {**facts(opened(full)), "width": 64}
    assert twice.getexif()[Base.Software] == "Firmware 1.2; wespe phone 0123456789ab, strength 0.25"
    assert "icc_profile" in twice.info


def test_the_thumbnail_shows_the_enhanced_photo(shared_data, model):
    """Protects: thumbnails never show the original; maker notes of a real camera keep their offsets."""
    before = (shared_data / "exif/DSCN0010.jpg").read_bytes()
    after = opened(enhance(model, before, ".jpg", Settings()))
    thumbnail = after.getexif().get_ifd(IFD.IFD1)
    block = after.info["exif"][6:]
    small = opened(block[thumbnail[513] : thumbnail[513] + thumbnail[514]])
    assert max(small.size) == 160
    expected = np.asarray(after.resize(small.size, Image.Resampling.LANCZOS)).astype(int)
    assert np.abs((np.asarray(small) - expected).mean((0, 1))).max() < 1
    assert len(after.info["exif"]) < len(opened(before).info["exif"]) + 8_000


@pytest.mark.filterwarnings("ignore")
def test_real_and_broken_photos_are_read_or_rejected(shared_data, model):
    """Protects: the job. All 57 unusual files give a photo or a PhotoError."""
    done = 0
    for path in sorted(
        [*(shared_data / "odd_jpegs").glob("*.jpg"), *(shared_data / "exif").glob("land*.jpg")]
    ):
        try:
            result = enhance(model, path.read_bytes(), ".jpg", Settings(max_megapixels=0.1))
        except PhotoError:
            continue
        done += 1
        assert decode_photo(result).ndim == 3
        before, after = read_exif(path.read_bytes()), read_exif(result)
        assert (after.make, after.model, after.taken_at) == (before.make, before.model, before.taken_at)
        assert after.orientation == 1
    assert done >= 8


@pytest.mark.parametrize(
    "block", [b"rubbish", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff" + b"\1" * 40]
)
def test_malicious_exif_only_loses_the_exif(block, photo, model):
    result = enhance(model, encoded(photo, "JPEG", exif=b"Exif\0\0" + block), ".jpg", Settings())
    assert opened(bytes(result)).getexif()[Base.Software].startswith("wespe phone")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".avif"])
def test_alpha_is_kept(suffix, photo, model):
    alpha = np.random.default_rng(0).integers(0, 256, (64, 96, 1), np.uint8)
    source = encoded(np.concatenate([photo, alpha], -1), "PNG")
    after = opened(enhance(model, source, suffix, Settings()))
    assert after.mode == "RGBA"
    assert np.abs(np.asarray(after)[..., 3:].astype(int) - alpha).max() <= (9 if suffix == ".avif" else 0)
    whitened = opened(enhance(model, source, ".jpg", Settings(strength=0, quality=100)))
    assert np.abs(np.asarray(whitened).astype(int) - decode_photo(source)).mean() < 2


def deep(photo: np.ndarray, alpha: bool) -> np.ndarray:
    random = np.random.default_rng(0)
    pixels = photo.astype(np.uint16).clip(0, 254) * 257 + random.integers(0, 257, photo.shape).astype(
        np.uint16
    )
    extra = random.integers(0, 65536, (*photo.shape[:2], 1), np.uint16)
    return np.concatenate([pixels, extra], -1) if alpha else pixels


@pytest.fixture(params=["PNG", "TIFF"])
def encoded_deep(request) -> Callable[[np.ndarray], bytes]:
    """Encode 16 bits with an encoder that is not ours."""
    if request.param == "PNG":
        return pytest.importorskip("imagecodecs").png_encode
    tifffile = pytest.importorskip("tifffile")

    def encode(pixels: np.ndarray) -> bytes:
        file = io.BytesIO()
        extra = {"extrasamples": ["unassalpha"]} if pixels.shape[2] == 4 else {}
        tifffile.imwrite(file, pixels, photometric="rgb", byteorder=">", **extra)
        return file.getvalue()

    return encode


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_stay_16(alpha, suffix, encoded_deep, photo, model):
    """Protects: every bit, checked with strength 0 in another format and independent decoders."""
    pytest.importorskip("imagecodecs")
    pixels = deep(photo, alpha)
    source = encoded_deep(pixels)
    for settings in (Settings(strength=0, quality=90), Settings()):
        original = decode_original(enhance(model, source, suffix, settings))
        assert original.photo_hwc.dtype == np.uint16
        if alpha:
            assert (original.alpha_hw == pixels[..., 3]).all()
        if settings.strength == 0:
            assert (original.photo_hwc == pixels[..., :3]).all()
        else:
            expected = model.enhance(np.ascontiguousarray(pixels[..., :3]))
            assert np.abs(original.photo_hwc.astype(int) - expected).max() <= 1
            assert len(np.unique(original.photo_hwc % 257)) > 200


def test_16_bits_become_8_by_dither(model):
    """Protects: smooth skies without banding. The mean over 8×8 pixels is finer than a level."""
    pytest.importorskip("imagecodecs")
    ramp = np.broadcast_to(np.linspace(20000, 20514, 512).astype(np.uint16)[None, :, None], (16, 512, 3))
    source = imagecodecs.png_encode(np.ascontiguousarray(ramp))
    result = decode_photo(enhance(model, source, ".jpg", Settings(strength=0, quality=100)))
    means = result.reshape(2, 8, 64, 8, 3).mean((0, 1, 3, 4))
    assert len(np.unique(means.round(1))) > 12


def test_profiles_of_other_colours_become_srgb(photo, model):
    """Protects: CMYK photos become RGB, and must not keep their CMYK profile."""
    result = opened(
        bytes(enhance(model, encoded(Image.fromarray(photo).convert("CMYK"), "JPEG"), ".jpg", Settings()))
    )
    assert result.mode == "RGB"
    assert "icc_profile" not in result.info


def test_the_same_colours_whatever_the_profile(photo, model, profiles):
    """Protects: a photo and its copy in Adobe RGB look the same when enhanced."""
    known = {name: ImageCms.ImageCmsProfile(io.BytesIO(profiles[name])) for name in ("sRGB", "Adobe RGB")}
    copy = ImageCms.profileToProfile(Image.fromarray(photo), known["sRGB"], known["Adobe RGB"])
    source = encoded(copy, "PNG", icc_profile=profiles["Adobe RGB"])
    in_adobe = decode_photo(enhance(model, source, ".png", Settings()))
    assert np.abs(in_adobe.astype(int) - model.enhance(photo)).mean() < 1


def test_texts_and_lossless_webp_stay(photo, model):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "Ann")
    texts.add_itxt("Title", "café")
    after = opened(enhance(model, encoded(photo, "PNG", pnginfo=texts), ".png", Settings()))
    assert (after.text["Author"], after.text["Title"]) == ("Ann", "café")
    webp = enhance(model, encoded(photo, "WEBP", lossless=True), ".webp", Settings())
    assert (decode_photo(webp) == model.enhance(photo)).all()


def test_strength_0_gives_the_file_itself(full, model):
    assert enhance(model, full, ".jpg", Settings(strength=0)) == full
    assert enhance(model, full, ".JPEG", Settings(strength=0, max_megapixels=1)) == full


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_strength_0_in_another_format_keeps_the_pixels(suffix, photo, model):
    source = encoded(photo, "JPEG", quality=90)
    assert (decode_photo(enhance(model, source, suffix, Settings(strength=0))) == decode_photo(source)).all()


def test_max_megapixels_reduces_larger_photos_alone(photo, model):
    source = encoded(photo, "PNG")
    assert opened(enhance(model, source, ".png", Settings(max_megapixels=1))).size == (96, 64)
    half = opened(enhance(model, source, ".png", Settings(max_megapixels=96 * 64 / 4e6)))
    assert half.size == (48, 32)
    expected = Image.fromarray(photo).resize((48, 32), Image.Resampling.LANCZOS)
    small = Settings(max_megapixels=96 * 64 / 4e6, strength=0)
    result = decode_photo(enhance(model, source, ".png", small))
    assert np.abs(result.astype(int) - np.asarray(expected)).max() <= 1


def test_the_users_quality_is_used(photo, model):
    source = encoded(photo, "JPEG", quality=95)
    sizes = [len(enhance(model, source, ".jpg", Settings(quality=q))) for q in (100, 60, 20)]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"strength": 1.1},
        {"strength": float("nan")},
        {"max_megapixels": -1},
        {"format": "bmp"},
        {"quality": 101},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)


def test_verifying_names_the_halo_and_the_difference(photo, tmp_path):
    generator = ResNetConfig(width=4, blocks=1, norm="none")
    save_model(tmp_path / "model", ResNet(generator), WespeConfig(generator=generator), {})
    (tmp_path / "a.png").write_bytes(encoded(photo, "PNG"))
    said = verify_tiles(tmp_path / "model", tmp_path / "a.png")
    assert re.search(
        r"a\.png: 96×64 px in tiles of 32 px with a halo of 12 px: .* at most [01] of 255 levels",
        said,
    )
    with pytest.raises(PhotoError, match=r"b\.png: .*name a photo"):
        verify_tiles(tmp_path / "model", tmp_path / "b.png")


def test_what_cannot_be_read_says_what_to_do(model):
    with pytest.raises(PhotoError, match=r"\.nef cannot be written; use \.jpg"):
        enhance(model, b"II*\0", ".nef", Settings())


def test_a_decision_is_one_readable_line() -> None:
    edits = [{"edit": "gamma", "values": [0.81234]}, {"edit": "exposure", "values": [0.5, 1.0]}]
    assert readable({"edits": edits}) == "edits edit gamma, values 0.812; edit exposure, values 0.5 1"
    assert readable({}) == ""
