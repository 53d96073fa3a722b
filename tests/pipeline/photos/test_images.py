"""What a camera folder holds, read into one form; what is broken, refused with a reason."""

import io
import os
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.errors import PhotoError
from pipeline.photos import size_limit
from pipeline.photos.images import Exif, decode_photo, read_exif, read_photo, write_photo


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def gradient(height: int = 24, width: int = 32) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 7, y * 9, (x + y) * 4], -1).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".jxl", ".JPG"])
def test_every_format_written_reads_back(tmp_path, suffix):
    """Protects: the suffix decides the format, lossless ones lose nothing, no temporary file stays."""
    path = tmp_path / f"photo{suffix}"
    write_photo(path, gradient())
    tolerance = 0 if suffix in (".png", ".tif", ".tiff") else 25 if suffix == ".jxl" else 12
    off = np.abs(read_photo(path).astype(int) - gradient())
    assert off.mean() < 3
    assert off.max() <= tolerance
    assert os.listdir(tmp_path) == [path.name]


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(PhotoError, match=r"photo.bmp: unsupported photo format; use .jpg"):
        write_photo(tmp_path / "photo.bmp", gradient())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(kind, orientation):
    """Protects: upright pixels from every format, also where Pillow turns by itself (TIFF)."""
    turned_back = {
        1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
        5: lambda a: a.transpose(1, 0, 2), 6: np.rot90,
        7: lambda a: np.rot90(a.transpose(1, 0, 2), 2), 8: lambda a: np.rot90(a, -1),
    }  # fmt: skip
    stored = np.ascontiguousarray(turned_back[orientation](gradient()))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "JPEG" else {}
    data = encoded(Image.fromarray(stored), kind, exif=exif, **options)
    upright = decode_photo(data)
    assert upright.shape == gradient().shape
    assert np.abs(upright.astype(int) - gradient()).mean() < 3
    assert read_exif(data).orientation == orientation


def test_grey_palette_and_alpha_become_rgb():
    """Protects: three channels for every mode; transparent pixels become white."""
    colour = Image.fromarray(gradient())
    grey = decode_photo(encoded(colour.convert("L"), "PNG"))
    assert grey.shape == (24, 32, 3)
    assert (grey[..., 0] == grey[..., 2]).all()
    assert decode_photo(encoded(colour.convert("P"), "PNG")).shape == (24, 32, 3)
    assert decode_photo(encoded(colour.convert("CMYK"), "JPEG")).shape == (24, 32, 3)
    clear = colour.copy()
    clear.putalpha(0)
    assert (decode_photo(encoded(clear, "PNG")) == 255).all()
    assert (decode_photo(encoded(clear.convert("LA"), "PNG")) == 255).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_are_scaled_not_cut(kind):
    values = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    photo = decode_photo(encoded(Image.fromarray(values), kind))
    assert photo[0, :, 0].tolist() == [0, 1, 128, 255]


def test_16_bit_colour_is_scaled():
    """Protects: a 48-bit PNG, which Pillow cannot write, is read with its high bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    pixels = struct.pack(">B3H", 0, 65535, 128 * 257, 257)
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    assert decode_photo(b"\x89PNG\r\n\x1a\n" + parts)[0, 0].tolist() == [255, 128, 1]


def test_an_embedded_profile_is_converted():
    """Protects: colours mean sRGB. A profile with red and blue exchanged must exchange them back."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ", 128), profile.index(b"bXYZ", 128)
    profile[red], profile[blue] = ord("b"), ord("r")
    profile = bytes(profile).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    data = encoded(Image.fromarray(gradient()), "PNG", icc_profile=profile)
    assert np.abs(decode_photo(data).astype(int) - gradient()[..., ::-1]).max() <= 2


@pytest.mark.parametrize("profile", [b"", b"rubbish", b"\0" * 200, os.urandom(128)])
def test_a_broken_profile_reads_as_srgb(profile):
    data = encoded(Image.fromarray(gradient()), "PNG", icc_profile=profile)
    assert (decode_photo(data) == gradient()).all()


def test_broken_files_are_refused_with_a_reason(tmp_path):
    """Protects: nothing but PhotoError, short, in one line, and with the file's name where there is one."""
    whole = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)), "JPEG")
    cases = {
        b"": "empty file",
        b"no photo": "not a JPEG",
        whole[: len(whole) // 2]: "truncated",
        encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"): "floating-point",
    }
    for data, reason in cases.items():
        with pytest.raises(PhotoError, match=reason) as caught:
            decode_photo(data)
        assert len(str(caught.value)) < 200
        assert "\n" not in str(caught.value)
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    with pytest.raises(PhotoError, match=r"a\.jpg: not a JPEG.*; replace or remove it"):
        read_photo(tmp_path / "a.jpg")
    with pytest.raises(PhotoError, match=r"b\.jpg: no such photo"):
        read_photo(tmp_path / "b.jpg")


def test_a_photo_larger_than_the_free_memory_is_refused(monkeypatch):
    """Protects: memory. 20000×20000 pixels in a few bytes of header."""
    monkeypatch.setattr(size_limit, "available_bytes", lambda: 2 * 10**9)
    bomb = bytearray(encoded(Image.new("1", (8, 8)), "PNG"))
    bomb[16:24] = (20000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    with pytest.raises(
        PhotoError, match=r"400 million pixels need about 6.4 GB of memory, but only 2.0 GB are free"
    ):
        decode_photo(bytes(bomb))


@pytest.mark.filterwarnings("ignore")
def test_exif_facts_and_bad_exif():
    """Protects: EXIF facts are sanitised; a malicious block only loses the facts, not the photo."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0132] = "Maker\0\0", " Model ", "2024:02:30 25:00:00"
    image = Image.fromarray(gradient())
    assert read_exif(encoded(image, "JPEG", exif=exif)) == Exif(make="Maker", model="Model")
    exif[0x0132] = "2024:02:28 12:30:00"
    assert read_exif(encoded(image, "JPEG", exif=exif)).taken_at == "2024-02-28T12:30:00"
    for block in (b"rubbish", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff" + b"\1" * 40):
        data = encoded(image, "JPEG", exif=b"Exif\0\0" + block)
        assert read_exif(data).orientation in range(1, 9)
        assert decode_photo(data).shape == (24, 32, 3)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_damaged_bytes_never_raise_anything_else(kind):
    """Protects: the stage. Bytes flipped at random, in header and body, give a photo or a PhotoError."""
    random = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = np.frombuffer(encoded(Image.fromarray(gradient()), kind, exif=exif), np.uint8)
    for _ in range(150):
        damaged = whole.copy()
        damaged[random.integers(0, min(len(whole), 400), 4)] = random.integers(0, 255, 4)
        read_exif(damaged.tobytes())
        with suppress(PhotoError):
            assert decode_photo(damaged.tobytes()).dtype == np.uint8


@pytest.mark.filterwarnings("ignore")
def test_odd_jpegs_and_real_exif(shared_data):
    """Protects: the same on 49 broken JPEGs found in the wild, and on photos of real cameras."""
    for path in sorted((shared_data / "odd_jpegs").glob("*.jpg")):
        with suppress(PhotoError):
            assert read_photo(path).ndim == 3
    upright = [read_photo(shared_data / f"exif/landscape_{number}.jpg").astype(int) for number in range(1, 9)]
    assert all(np.abs(photo - upright[0]).mean() < 12 for photo in upright)
    phone = read_exif((shared_data / "exif/HMD_Nokia_8.3_5G.jpg").read_bytes())
    assert (phone.make, phone.taken_at) == ("HMD Global", "2022-08-14T14:12:31+03:00")
