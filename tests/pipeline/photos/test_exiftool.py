"""ExifTool finds every field of a photo again in its result."""

import io
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.enhancement.one_photo import Settings, enhance_photo
from pipeline.models.model_folder import Model
from wespe.networks.resnet import ResNet, ResNetConfig

SUFFIXES = [".jpg", ".png", ".tif", ".webp", ".avif"]
KINDS = {".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF", ".webp": "WEBP", ".avif": "AVIF"}
pytestmark = pytest.mark.skipif(
    not shutil.which("exiftool"), reason="needs exiftool: apt-get install libimage-exiftool-perl"
)


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return Model(ResNet(ResNetConfig(width=4, blocks=1)).eval(), {"camera": "phone"}, "0123456789abcdef")


def gradient(kind: str) -> bytes:
    y, x = np.mgrid[:64, :96]
    file = io.BytesIO()
    Image.fromarray(np.stack([x * 2, y * 3, x + y], -1).astype(np.uint8)).save(file, kind)
    return file.getvalue()


def fields(path: Path) -> dict[str, str]:
    command = ["exiftool", "-json", "-a", "-G1", "-s", "-n", str(path)]
    [found] = json.loads(subprocess.run(command, capture_output=True, check=False).stdout)
    return {name: str(value) for name, value in found.items()}


WRITTEN = ("-IPTC:Caption-Abstract=" + "caption " * 240, "-IPTC:By-line=Jörg", "-XMP-dc:Title=Titel ü",
           "-XMP-dc:Description=" + "long text " * 9_000, "-EXIF:Artist=Jörg", "-EXIF:Copyright=© Jörg",
           "-EXIF:DateTimeOriginal=2020:01:02 03:04:05", "-EXIF:ExposureTime=0.01", "-GPSLatitude=48.2",
           "-GPSLatitudeRef=N", "-EXIF:UserComment=grüße", "-InteropIndex=R98", "-EXIF:LensModel=L",
           "-XMP-xmp:Rating=4", "-XMP-photoshop:City=Köln")  # fmt: skip
GROUPS = (
    "ExifIFD:",
    "GPS:",
    "InteropIFD:",
    "IPTC:",
    "XMP-dc:",
    "XMP-xmp:",
    "XMP-photoshop:",
    "IFD0:Artist",
    "IFD0:Copyright",
)


@pytest.mark.parametrize("second", SUFFIXES)
@pytest.mark.parametrize("first", SUFFIXES)
def test_exiftool_finds_every_field_again(first, second, model, tmp_path):
    """Protects: every field, from every format into every other, but IPTC where there is no place for it."""
    source, target = tmp_path / f"a{first}", tmp_path / f"b{second}"
    source.write_bytes(gradient(KINDS[first]))
    subprocess.run(["exiftool", "-m", "-q", "-overwrite_original", *WRITTEN, str(source)], check=True)
    result = enhance_photo(model, io.BytesIO(source.read_bytes()), second, Settings())
    target.write_bytes(result.data)
    before, after = fields(source), fields(target)
    wanted = {name: value for name, value in before.items() if name.startswith(GROUPS)}
    assert len(wanted) >= 12
    if second in (".webp", ".avif") and any(name.startswith("IPTC:") for name in wanted):
        assert result.warnings == (f"its IPTC cannot be kept in {'WebP' if second == '.webp' else 'AVIF'}",)
        wanted = {name: value for name, value in wanted.items() if not name.startswith("IPTC:")}
    assert {name: after.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".png"])
def test_exiftool_finds_the_maker_notes_of_real_cameras(suffix, shared_data, model, tmp_path):
    for source in (shared_data / "exif/DSCN0010.jpg", shared_data / "exif/HMD_Nokia_8.3_5G.jpg"):
        target = tmp_path / f"b{suffix}"
        settings = Settings(max_megapixels=0.2)
        target.write_bytes(enhance_photo(model, io.BytesIO(source.read_bytes()), suffix, settings).data)
        before, after = fields(source), fields(target)
        untouched = ("Nikon:", "GPS:", "InteropIFD:", "ExifIFD:")
        changed = ("ExifIFD:ExifImage",)
        wanted = {n: v for n, v in before.items() if n.startswith(untouched) and not n.startswith(changed)}
        assert len(wanted) > 15
        assert {name: after.get(name) for name in wanted} == wanted
