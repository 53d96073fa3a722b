"""The photos of iPhones: upright once, with all they carry, and a clear word where they cannot be read.

pi-heif cannot write. So `heic` writes the simplest file there is: HEVC whose blocks are plain samples.
"""

import io
import struct
import sys
from contextlib import suppress

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.ExifTags import IFD, Base

from pipeline.enhancement.one_photo import Settings, enhance_photo
from pipeline.errors import PhotoError
from pipeline.models.model_folder import Model
from pipeline.photos.formats import is_photo, written_as
from pipeline.photos.heif import can_read_heif
from pipeline.photos.images import decode_photo, read_exif
from wespe.networks.resnet import ResNet, ResNetConfig

pytest.importorskip("pi_heif")
BLOCK_PX = 16
VPS, SPS, PPS, PICTURE = 32, 33, 34, 20
PROFILE = (
    bytes([3]) + bytes([0x70, 0, 0, 0]) + bytes([0x90, 0, 0, 0, 0, 0]) + bytes([30])
)  # main still picture
PLAIN_BLOCK, LAST_BLOCK = b"\x86\x80", b"\xfe\x80"  # what arithmetic coding says around a block's samples


class Bits:
    """Bits, and the Exp-Golomb numbers of HEVC."""

    def __init__(self) -> None:
        self.text = ""

    def put(self, width: int, *values: int) -> "Bits":
        self.text += "".join(f"{value:0{width}b}" for value in values)
        return self

    def count(self, *values: int) -> "Bits":
        for value in values:
            self.put(2 * (value + 1).bit_length() - 1, value + 1)
        return self

    def raw(self, data: bytes) -> "Bits":
        return self.put(8, *data)

    def stopped(self) -> bytes:
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def unit(kind: int, payload: bytes) -> bytes:
    """A NAL unit: no three bytes of it may look like the start of another."""
    escaped = bytearray()
    for byte in payload:
        if byte <= 3 and escaped.endswith(b"\0\0"):
            escaped.append(3)
        escaped.append(byte)
    return bytes([kind << 1, 1]) + bytes(escaped)


def hevc(photo_hwc: np.ndarray) -> tuple[list[bytes], bytes]:
    """Parameter sets and picture of a photo whose sides are multiples of 16 px, one slice per block."""
    height, width, _ = photo_hwc.shape
    luma, blue, red = (np.asarray(p) for p in Image.fromarray(photo_hwc).convert("YCbCr").split())
    blue, red = (plane.reshape(height // 2, 2, width // 2, 2).mean((1, 3)).round() for plane in (blue, red))
    vps = Bits().put(4, 0).put(2, 3).put(6, 0).put(3, 0).put(1, 1).put(16, 0xFFFF).raw(PROFILE)
    vps.put(1, 1).count(0, 0, 0).put(6, 0).count(0).put(1, 0, 0)
    sps = (
        Bits().put(4, 0).put(3, 0).put(1, 1).raw(PROFILE).count(0, 1, width, height).put(1, 0).count(0, 0, 0)
    )
    sps.put(1, 1).count(0, 0, 0)  # one picture
    sps.count(1, 0, 0, 2, 0, 0).put(1, 0, 0, 0)  # blocks of 16 px; no lists, odd parts, offsets
    sps.put(1, 1).put(4, 7, 7).count(1, 0).put(1, 1)  # plain samples of 8 bits, left as they are
    sps.count(0).put(1, 0, 0, 0, 0, 0)
    pps = Bits().count(0, 0).put(1, 0, 0).put(3, 0).put(1, 0, 0).count(0, 0, 0).put(1, 0, 0, 0).count(0, 0)
    pps.put(1, 0, 0, 0, 0, 0, 0, 0).put(1, 1, 0, 1).put(1, 0, 0).count(0).put(1, 0, 0)  # no deblocking
    across, down = width // BLOCK_PX, height // BLOCK_PX
    picture = b""
    for number in range(across * down):
        header = Bits().put(1, number == 0).put(1, 0).count(0)
        if number:
            header.put((across * down - 1).bit_length(), number)
        header.count(2).count(0)
        top, left = (BLOCK_PX * place for place in divmod(number, across))
        planes = [luma[top : top + 16, left : left + 16]]
        planes += [plane[top // 2 : top // 2 + 8, left // 2 : left // 2 + 8] for plane in (blue, red)]
        samples = b"".join(plane.astype(np.uint8).tobytes() for plane in planes)
        slice_unit = unit(PICTURE, header.stopped() + PLAIN_BLOCK + samples + LAST_BLOCK)
        picture += struct.pack(">I", len(slice_unit)) + slice_unit
    return [unit(kind, bits.stopped()) for kind, bits in ((VPS, vps), (SPS, sps), (PPS, pps))], picture


def box(kind: bytes, *contents: bytes) -> bytes:
    body = b"".join(contents)
    return struct.pack(">I", 8 + len(body)) + kind + body


def full_box(kind: bytes, *contents: bytes, version: int = 0) -> bytes:
    return box(kind, bytes([version, 0, 0, 0]), *contents)


def heic(
    photo_hwc: np.ndarray, quarter_turns: int = 0, exif: bytes = b"", xmp: bytes = b"", profile: bytes = b""
) -> bytes:
    """A HEIC file that asks its reader for so many quarter turns anti-clockwise."""
    sets, picture = hevc(photo_hwc)
    arrays = b"".join(
        struct.pack(">BHH", 0x80 | kind, 1, len(data)) + data
        for kind, data in zip((VPS, SPS, PPS), sets, strict=True)
    )
    codec = bytes([1]) + PROFILE + b"\xf0\0\xfc\xfd\xf8\xf8\0\0\x0f\3" + arrays
    height, width, _ = photo_hwc.shape
    properties = [
        box(b"hvcC", codec),
        full_box(b"ispe", struct.pack(">II", width, height)),
        box(b"colr", b"nclx", struct.pack(">HHHB", 1, 13, 6, 0x80)),
        box(b"irot", bytes([quarter_turns])),
    ]
    if profile:
        properties.append(box(b"colr", b"prof", profile))
    used = bytes([0x80 | 1, 2, 3, 0x80 | 4, 5][: len(properties)])
    items = [(b"hvc1", b"", picture)]
    if exif:
        items.append((b"Exif", b"", struct.pack(">I", 6) + b"Exif\0\0" + exif))
    if xmp:
        items.append((b"mime", b"application/rdf+xml\0", xmp))
    numbered = list(enumerate(items, 1))
    names = [
        full_box(b"infe", struct.pack(">HH", n, 0), k, b"\0", more, version=2) for n, (k, more, _) in numbered
    ]
    about = [box(b"cdsc", struct.pack(">HHH", n, 1, 1)) for n, _ in numbered[1:]]

    def meta(start: int) -> bytes:
        places, at = b"", start
        for number, (_, _, data) in numbered:
            places += struct.pack(">HHHII", number, 0, 1, at, len(data))
            at += len(data)
        return full_box(
            b"meta",
            full_box(b"hdlr", bytes(4) + b"pict" + bytes(13)),
            full_box(b"pitm", struct.pack(">H", 1)),
            full_box(b"iloc", b"\x44\0" + struct.pack(">H", len(items)) + places),
            full_box(b"iinf", struct.pack(">H", len(items)), *names),
            *([full_box(b"iref", *about)] if about else []),
            box(b"iprp", box(b"ipco", *properties),
                full_box(b"ipma", struct.pack(">IHB", 1, 1, len(used)) + used)),
        )  # fmt: skip

    kind = box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    start = len(kind) + len(meta(0)) + 8
    return kind + meta(start) + box(b"mdat", *(data for _, _, data in items))


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A gradient of 48×32 px: it shows which side is up, and bears halved colour."""
    y, x = np.mgrid[:32, :48]
    return np.stack([40 + x * 4, 60 + y * 4, 200 - x - y], -1).astype(np.uint8)


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return Model(ResNet(ResNetConfig(width=4, blocks=1)).eval(), {"camera": "phone"}, "a" * 64)


def test_pixels_are_the_photos(photo):
    """Protects: no channel is exchanged and no range squeezed on the way in."""
    apart = np.abs(decode_photo(heic(photo)).astype(int) - photo)
    assert apart.mean() < 2  # what halved colour costs
    assert apart.max() < 10


@pytest.mark.parametrize("quarter_turns", range(4))
def test_a_photo_is_turned_once(quarter_turns, photo, model):
    """Protects: libheif applies the orientation; EXIF and XMP must not apply it again."""
    tags = Image.Exif()
    tags[Base.Orientation] = 6
    xmp = b'<x tiff:Orientation="6"/>'
    data = heic(photo, quarter_turns, tags.tobytes().removeprefix(b"Exif\0\0"), xmp)
    upright = np.rot90(photo, quarter_turns).astype(int)
    assert np.abs(decode_photo(data) - upright).mean() < 2
    assert read_exif(data).orientation == 1
    enhanced = enhance_photo(model, io.BytesIO(data), ".png", Settings(strength=0)).data
    with Image.open(io.BytesIO(enhanced)) as image:
        assert np.abs(np.asarray(image) - upright).mean() < 2
        assert image.getexif().get(Base.Orientation, 1) == 1
        assert b'Orientation="6"' not in image.info["xmp"]


def test_heif_metadata_is_kept_in_the_jpeg(photo, model, profiles):
    """Protects: EXIF with its directories, XMP and the profile, which decides on the colours."""
    tags = Image.Exif()
    tags[Base.Make] = "Maker"
    tags.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = "2024:02:28 12:30:00"
    exif, xmp, profile = tags.tobytes().removeprefix(b"Exif\0\0"), b"<x>beach</x>", profiles["Display P3"]
    data = heic(photo, exif=exif, xmp=xmp, profile=profile)
    assert (read_exif(data).make, read_exif(data).taken_at) == ("Maker", "2024-02-28T12:30:00")
    assert np.abs(decode_photo(data).astype(int) - photo).mean() > 3  # P3 became sRGB
    enhanced = enhance_photo(model, io.BytesIO(data), written_as(".heic"), Settings()).data
    with Image.open(io.BytesIO(enhanced)) as image:
        assert (image.format, image.size) == ("JPEG", (48, 32))
        assert image.info["icc_profile"] == profile
        assert image.info["xmp"] == xmp
        assert image.getexif()[Base.Software].startswith("wespe phone")
    assert read_exif(enhanced) == read_exif(data)


def test_without_pi_heif_the_reason_names_it(photo, monkeypatch):
    """Protects: a user of an iPhone learns what to install."""
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    can_read_heif.cache_clear()
    try:
        with pytest.raises(
            PhotoError,
            match=r"^HEIF requires `pip install 'wespe\[heif\]'`; install it, or export the photo as JPEG$",
        ):
            decode_photo(heic(photo))
        assert read_exif(heic(photo)).make == ""
    finally:
        can_read_heif.cache_clear()


def test_damaged_files_are_refused(photo):
    """Protects: the stage. Nothing but PhotoError, whatever libheif meets, and no advice to install it."""
    whole, random = np.frombuffer(heic(photo), np.uint8), np.random.default_rng(0)
    with pytest.raises(PhotoError) as caught:
        decode_photo(whole.tobytes()[: len(whole) // 2])
    assert "pip install" not in str(caught.value)
    for _ in range(100):
        damaged = whole.copy()
        damaged[random.integers(12, 400, 4)] = random.integers(0, 255, 4)
        read_exif(damaged.tobytes())
        with suppress(PhotoError):
            assert decode_photo(damaged.tobytes()).dtype == np.uint8


def test_heif_is_a_photo_and_becomes_a_jpeg():
    for suffix in (".heic", ".HEIC", ".heif", ".hif"):
        assert is_photo(f"walk/beach{suffix}")
        assert written_as(suffix) == ".jpg"
    assert written_as(".PNG") == ".PNG"
