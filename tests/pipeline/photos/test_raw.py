"""RAW: a mosaic of known colours, written here as DNG, is developed to these colours."""

import io
import struct
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from pipeline.enhancement.inputs import find_photos
from pipeline.enhancement.job import carry_out, in_process
from pipeline.enhancement.one_photo import Settings, enhance_photo
from pipeline.enhancement.plan import make_plan
from pipeline.enhancement.routing import Router
from pipeline.enhancement.settings import Route
from pipeline.errors import PhotoError
from pipeline.models.model_files import save_model
from pipeline.models.model_folder import Model
from pipeline.photos import size_limit
from pipeline.photos.decoding import decode_original, read_exif
from pipeline.photos.exif_block import ExifBlock
from pipeline.photos.formats import is_photo, photos_below, without_doubles, written_as
from pipeline.photos.headers import HEAD_BYTES, read_header, tells_all
from pipeline.photos.images import read_photo
from pipeline.photos.pairs import pairs_by_name
from pipeline.sources.folder import Folder
from pipeline.sources.intake import take_in
from wespe.methods import build_generator
from wespe.methods.wespe import WespeConfig
from wespe.networks.resnet import ResNet, ResNetConfig

pytest.importorskip("rawpy", reason="RAW is an extra")

HEIGHT, WIDTH = 96, 128
GAINS = np.array([2.0, 1.0, 1.5])  # the white balance: what red, green and blue are multiplied by
BLACK, WHITE = 256, 16_383
XYZ_TO_SRGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
# sRGB of the four quarters, clockwise; dark ones, since a stretched histogram would show in them
QUARTERS = {"top left": (120, 40, 40), "top right": (40, 110, 50), "bottom right": (80, 80, 80)}
QUARTERS |= {"bottom left": (40, 50, 115)}
CFA, LINEAR, JPEG_PREVIEW = 32803, 34892, 6


def scene() -> np.ndarray:
    photo = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    for name, (rows, columns) in quarters(HEIGHT, WIDTH).items():
        photo[rows, columns] = QUARTERS[name]
    return photo


def quarters(height: int, width: int) -> dict[str, tuple[slice, slice]]:
    top, bottom, left, right = (
        slice(height // 2),
        slice(height // 2, None),
        slice(width // 2),
        slice(width // 2, None),
    )
    return {
        "top left": (top, left), "top right": (top, right), "bottom right": (bottom, right),
        "bottom left": (bottom, left),
    }  # fmt: skip


def centres(photo_hwc: np.ndarray) -> dict[str, np.ndarray]:
    """The colour in the middle of each quarter, in 255 levels."""
    levels = np.iinfo(photo_hwc.dtype).max
    found = {}
    for name, place in quarters(*photo_hwc.shape[:2]).items():
        quarter = photo_hwc[place]
        found[name] = quarter[quarter.shape[0] // 2, quarter.shape[1] // 2] / levels * 255
    return found


def mosaic(srgb_hwc: np.ndarray) -> np.ndarray:
    """What a sensor with the filters RGGB records, in linear light, before white balance."""
    values = srgb_hwc / 255
    light = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4) / GAINS
    recorded = light[..., 1].copy()
    recorded[::2, ::2], recorded[1::2, 1::2] = light[::2, ::2, 0], light[1::2, 1::2, 2]
    return (BLACK + recorded * (WHITE - BLACK)).round().astype(np.uint16)


def rationals(values: np.ndarray) -> list[int]:
    return [number for value in np.ravel(values) for number in (round(value * 10_000), 10_000)]


def dng(
    orientation: int = 1, balance: bool = True, xmp: bytes = b"", mosaic_hw: np.ndarray | None = None
) -> bytes:
    """A DNG 1.4 as its specification describes it, uncompressed."""
    tags = [
        (271, "s", 0, "Acme", True), (272, "s", 0, "Eye 3", True), (274, "H", 1, orientation, True),
        (315, "s", 0, "A. Photographer", True),
        (33421, "H", 2, (2, 2), True), (33422, "B", 4, bytes([0, 1, 1, 2]), True),
        (50706, "B", 4, bytes([1, 4, 0, 0]), True), (50707, "B", 4, bytes([1, 1, 0, 0]), True),
        (50708, "s", 0, "Acme Eye 3", True), (50714, "H", 1, BLACK, True), (50717, "H", 1, WHITE, True),
        (50721, "2i", 9, rationals(np.diag(1 / GAINS) @ XYZ_TO_SRGB), True),
        (50778, "H", 1, 21, True),  # its matrix is for D65
    ]  # fmt: skip
    tags += [(50728, "2I", 3, rationals(1 / GAINS), True)] if balance else []
    tags += [(700, "B", len(xmp), xmp, True)] if xmp else []
    file = io.BytesIO()
    values = mosaic(scene()) if mosaic_hw is None else mosaic_hw
    tifffile.imwrite(file, values, photometric=CFA, metadata=None, extratags=tags, software="firmware 1.0")
    return file.getvalue()


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return Model(ResNet(ResNetConfig(width=4, blocks=1)).eval(), {"camera": "eye"}, "0" * 64)


def test_colours_white_balance_and_brightness_are_the_cameras():
    """Protects: colours. A missing gain, a stretched histogram or another gamma changes each by many."""
    original = decode_original(dng())
    assert (original.kind, original.photo_hwc.dtype, original.profile) == ("RAW", np.uint16, b"")
    for name, colour in centres(original.photo_hwc).items():
        assert np.abs(colour - QUARTERS[name]).max() < 0.5, name
    assert original.warnings == ()


def test_the_brightest_pixel_does_not_change_the_brightness():
    """Protects: photos of one scene. LibRaw's default takes a bright pixel for white."""
    bright = mosaic(scene())
    bright[:8, :8] = WHITE - 1_000
    for name, colour in centres(decode_original(dng(mosaic_hw=bright)).photo_hwc).items():
        assert np.abs(colour - QUARTERS[name]).max() < 0.5, name


@pytest.mark.parametrize(
    ("orientation", "top_left"), [(1, "top left"), (3, "bottom right"), (6, "bottom left"), (8, "top right")]
)
def test_the_photo_is_upright(orientation, top_left, model):
    """Protects: orientation is applied once, and the result does not ask for it again."""
    data = dng(orientation)
    photo = decode_original(data).photo_hwc
    assert photo.shape[:2] == ((HEIGHT, WIDTH) if orientation in (1, 3) else (WIDTH, HEIGHT))
    assert np.abs(centres(photo)["top left"] - QUARTERS[top_left]).max() < 0.5
    assert read_exif(data).orientation == orientation
    result = enhance_photo(model, io.BytesIO(data), ".tif", Settings(strength=0)).data
    assert read_exif(bytes(result)).orientation == 1
    assert (decode_original(bytes(result)).photo_hwc == photo).all()


def test_an_unknown_white_balance_is_reported():
    assert decode_original(dng(balance=False)).warnings == (
        "its white balance is unknown: daylight was assumed",
    )


def test_the_result_is_a_tiff_of_16_bits_with_the_cameras_exif(model):
    """Protects: the camera and author stay; tags of the sensor, which would make the result a DNG, do not."""
    result = bytes(enhance_photo(model, io.BytesIO(dng()), written_as(".DNG"), Settings()).data)
    with tifffile.TiffFile(io.BytesIO(result)) as file:
        page = file.pages[0]
        assert (page.dtype, page.shape, int(page.photometric)) == (np.uint16, (HEIGHT, WIDTH, 3), 2)
        assert not {tag.code for tag in page.tags} & {33421, 33422, *range(50706, 52600)}
        assert page.tags[315].value == "A. Photographer"
    exif = read_exif(result)
    assert (exif.make, exif.model) == ("Acme", "Eye 3")
    assert ExifBlock(result).text(305).startswith("firmware 1.0; wespe eye 000000000000")
    jpeg = bytes(enhance_photo(model, io.BytesIO(dng()), ".jpg", Settings()).data)
    assert jpeg.startswith(b"\xff\xd8")
    assert read_exif(jpeg).model == "Eye 3"


def test_settings_of_camera_raw_are_not_kept_but_keywords_are():
    """Protects: Lightroom would apply them to the developed photo once more."""
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"'
        b' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"'
        b' crs:HasSettings="True" crs:Exposure2012="+2"/>'
        b"</rdf:RDF></x:xmpmeta>"
    )
    original = decode_original(dng(xmp=packet))
    assert b'xmp:Rating="4"' in original.metadata.xmp
    assert b"Exposure2012" not in original.metadata.xmp
    assert original.warnings == ("its settings of Camera Raw were not applied",)


def test_the_camera_is_known_from_the_head_alone(model):
    """Protects: `--model auto`, which reads the first bytes of thousands of photos."""
    data = dng(mosaic_hw=np.full((400, 600), 5_000, np.uint16))
    head = data[:HEAD_BYTES]
    assert len(head) < len(data)
    assert tells_all(head)
    header = read_header(head, len(data))
    assert (header.make, header.model) == ("Acme", "Eye 3")
    assert header.pixels >= 240_000


def test_a_small_preview_is_made_from_half_the_size():
    small = decode_original(dng(), max_megapixels=HEIGHT * WIDTH / 4 / 1e6)
    assert small.photo_hwc.shape == (HEIGHT // 2, WIDTH // 2, 3)
    for name, colour in centres(small.photo_hwc).items():
        assert np.abs(colour - QUARTERS[name]).max() < 1, name


def test_broken_and_unknown_raw_give_one_line(monkeypatch):
    whole = dng()
    other = io.BytesIO()
    tifffile.imwrite(other, mosaic(scene()), photometric=CFA, metadata=None)
    cases = {
        whole[: len(whole) // 2]: "a truncated or damaged RAW .*; copy it from the camera again",
        whole[:400]: "a truncated or damaged RAW",
        other.getvalue(): "a RAW of a camera whose colours LibRaw does not know; convert it to DNG or TIFF",
        b"FUJIFILMCCD-RAW": "RAW",
        b"IIU\0" + bytes(60): "RAW",
    }
    for data, reason in cases.items():
        with pytest.raises(PhotoError, match=reason) as caught:
            decode_original(data)
        assert len(str(caught.value)) < 200
        assert "\n" not in str(caught.value)
        read_exif(data)


def test_a_bomb_is_refused_before_it_is_developed(monkeypatch):
    """Protects: memory. 60000×60000 pixels in a few bytes of header."""
    monkeypatch.setattr(size_limit, "available_bytes", lambda: 2 * 10**9)
    bomb = bytearray(dng())
    with tifffile.TiffFile(io.BytesIO(bomb)) as file:
        places = [file.pages[0].tags[tag].valueoffset for tag in (256, 257)]
    for place in places:
        struct.pack_into("<I", bomb, place, 60_000)
    with pytest.raises(PhotoError, match="3600 million pixels need about"):
        decode_original(bytes(bomb))


def test_damaged_bytes_never_raise_anything_else():
    """Protects: the stage. Bytes flipped at random in the header give a photo or a PhotoError."""
    random, whole = np.random.default_rng(0), np.frombuffer(dng(), np.uint8)
    for _ in range(100):
        damaged = whole.copy()
        damaged[random.integers(0, 500, 4)] = random.integers(0, 255, 4)
        read_exif(damaged.tobytes())
        with suppress(PhotoError):
            assert decode_original(damaged.tobytes()).photo_hwc.ndim == 3


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(PhotoError, match=r"RAW requires `pip install 'wespe\[raw\]'`"):
        decode_original(dng())


def test_exif_of_makers_is_found_where_they_keep_it():
    """Protects: `--model auto` for files that are not plain TIFF; their pixels are not needed for it."""
    block = ExifBlock()
    block.set(271, "ascii", "Acme")
    block.set(272, "ascii", "Eye 3")
    tiff = bytes(block.finished())
    jpeg = (
        b"\xff\xd8\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff + b"\xff\xda\0\2\xff\xd9"
    )
    fujifilm = b"FUJIFILMCCD-RAW ".ljust(84, b"\0") + struct.pack(">II", 92, len(jpeg)) + jpeg
    olympus, panasonic = b"IIRO" + tiff[4:], b"IIU\0" + tiff[4:]
    for data in (fujifilm, olympus, panasonic, cr3(tiff)):
        exif = read_exif(data)
        assert (exif.make, exif.model) == ("Acme", "Eye 3"), data[:16]
        assert read_header(data, 30_000_000).make == "Acme"


def cr3(tiff: bytes) -> bytes:
    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content) + 8) + kind + content

    details = ExifBlock()
    details.set(0x9003, "ascii", "2026:05:04 03:02:01")
    directories = box(b"CMT1", tiff) + box(b"CMT2", bytes(details.finished()))
    canon = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    return box(b"ftyp", b"crx \0\0\0\1crx isom") + box(b"moov", box(b"uuid", canon + directories))


def test_the_details_of_a_cr3_are_joined():
    block = ExifBlock()
    block.set(271, "ascii", "Acme")
    assert read_exif(cr3(bytes(block.finished()))).taken_at == "2026-05-04T03:02:01"


def test_a_raw_beside_the_cameras_own_photo_is_left_out(tmp_path):
    """Protects: results that are doubled, and scenes that would be in training and test at once."""
    names = ["a/IMG_1.CR2", "a/IMG_1.JPG", "b/IMG_1.CR2", "IMG_2.dng", "img_2.heic", "IMG_3.NEF"]
    assert without_doubles(names) == ["a/IMG_1.JPG", "b/IMG_1.CR2", "img_2.heic", "IMG_3.NEF"]
    for name in ("one.dng", "two.dng", "two.jpg"):
        (tmp_path / name).write_bytes(dng())
    assert is_photo("one.dng")
    assert [one.name for one in Folder(kind="folder", paths=(str(tmp_path),)).fetch(tmp_path, "eye")] == [
        "one.dng",
        "two.jpg",
    ]
    assert [one.photo for one in find_photos([str(tmp_path / "two.dng")])] == ["two.dng"]
    assert [path.name for path in photos_below(tmp_path)] == ["one.dng", "two.jpg"]
    assert sorted(pairs_by_name(tmp_path, tmp_path)) == ["one", "two"]


def test_a_folder_of_raw_is_enhanced_with_the_cameras_model(tmp_path):
    """Protects: a job with `--model auto`, from files to files; the originals keep their bytes."""
    source, results = tmp_path / "card", tmp_path / "enhanced"
    source.mkdir()
    for name in ("one.dng", "two.dng"):
        (source / name).write_bytes(dng())
    Image.fromarray(scene()).save(source / "two.jpg", exif=dng_exif())
    method = WespeConfig(generator=ResNetConfig(width=4, blocks=1))
    save_model(tmp_path / "eye", build_generator(method), method, {"camera": "eye", "step": 1})
    router = Router(routes=[Route(make="acme", use=str(tmp_path / "eye"))])
    plan = make_plan([str(source)], str(results), router, Path, Settings())
    assert plan.doubled == ("two.dng",)
    summary = carry_out(plan, in_process)
    assert (summary.done, summary.failed) == (2, ())
    assert {path.name for path in results.glob("*.*")} == {"one.tif", "two.jpg"}
    assert decode_original((results / "one.tif").read_bytes()).photo_hwc.dtype == np.uint16
    assert (source / "one.dng").read_bytes() == dng()
    assert make_plan([str(source)], str(results), router, Path, Settings()).finished == 2


def dng_exif() -> bytes:
    return b"Exif\0\0" + decode_original(dng()).metadata.exif


def test_a_camera_can_learn_from_raw(tmp_path):
    """Protects: `source: {kind: folder, ...}` with RAW; training sees what enhancement will see."""
    (tmp_path / "one.dng").write_bytes(dng())
    [found] = Folder(kind="folder", paths=(str(tmp_path),)).fetch(tmp_path, "eye")
    row = take_in(found, tmp_path / "set", None, None).photo
    assert (row.reject_reason, row.make, row.width, row.height) == ("", "Acme", WIDTH, HEIGHT)
    for name, colour in centres(read_photo(tmp_path / "set" / row.path)).items():
        assert np.abs(colour - QUARTERS[name]).max() <= 1, name
