"""Public sets by name, fetched from a local stand-in of their servers, in the layout of their archives.

A stand-in is the set's own file of the catalogue, put into `catalogue/` beside params.yaml, with the local
server in place of its hosts, and without the sizes and hashes of the real archives.
"""

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from pipeline.catalogue.lookup import SHIPPED, find_entry
from pipeline.errors import SourceError
from pipeline.params import load
from pipeline.patches.manifest import accepted
from pipeline.sources.dataset import Dataset
from pipeline.sources.fetching import fetch_photos
from pipeline.sources.source import PhotoFile

COMMIT = "7b68abf6059a7d74cda489ec8b515ee2b061bc20"
# What archives contain, photos of other parts and other files among it: set → archive → members.
LAYOUTS: Mapping[str, Mapping[str, list[str]]] = {
    "div2k": {
        "DIV2K_train_HR.zip": ["DIV2K_train_HR/0001.png", "DIV2K_train_HR/0002.png"],
        "DIV2K_valid_HR.zip": ["DIV2K_valid_HR/0801.png"],
    },
    "flickr2k": {
        "Flickr2K.tar": ["Flickr2K/Flickr2K_HR/000001.png", "Flickr2K/Flickr2K_LR_bicubic/X2/000001x2.png"]
    },
    "kitti": {
        "data_object_image_2.zip": [
            *("training/image_2/000000.png", "training/image_2/000001.png", "training/image_2/000002.png"),
            *("testing/image_2/000000.png", "training/label_2/000000.txt"),
        ]
    },
    "city100": {
        f"{COMMIT}.zip": [
            f"CameraSR-{COMMIT}/City100/City100_{camera}/{number:03d}{end}.PNG"
            for camera in ("iPhoneX", "NikonD5500")
            for number in (1, 2)
            for end in "HL"
        ]
    },
    "coco-unlabeled": {"unlabeled2017.zip": ["unlabeled2017/000000000001.jpg"]},
    "clic2020": {
        "mobile_train_2020.zip": ["train/a.png", "__MACOSX/train/._a.png"],
        "professional_train_2020.zip": ["train/b.png"],
        "CLIC2020Mobile_test.zip": ["mobile/c.png"],
        "CLIC2020Professional_test.zip": ["professional/d.png"],
    },
    "kodak": {},  # single photos
}
# What a user downloads by hand and puts into the folder of a set.
BY_HAND: Mapping[str, list[str]] = {
    "cityscapes": [
        *(f"leftImg8bit/{split}/ulm/ulm_00_01_leftImg8bit.png" for split in ("train", "val", "test")),
        "leftImg8bit/train/ulm/ulm_00_02_leftImg8bit.png",
        "gtFine/train/ulm/ulm_00_01_gtFine_color.png",
    ],
    "dped": [
        f"{folder}/{number}.jpg"
        for phone in ("iphone", "blackberry", "sony")
        for number in (0, 1)
        for folder in (
            *(f"dped/{phone}/training_data/{camera}" for camera in (phone, "canon")),
            *(f"dped/{phone}/test_data/patches/{camera}" for camera in (phone, "canon")),
            *(f"original_images/train/{camera}" for camera in (phone, "canon")),
        )
    ],
    "fivek": [f"{part}/a0001.tif" for part in ("input", *(f"expert-{letter}" for letter in "abcde"))],
    "raise": ["r000da54ft.TIF"],
    "unsplash-lite": ["photos/--2IBUMom1I.jpg"],
}


def picture(name: str) -> bytes:
    """A small photo, different for every name, in the format that the name tells."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), np.uint8)
    kind = {".png": "PNG", ".jpg": "JPEG", ".tif": "TIFF"}[Path(name).suffix.lower()]
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def content(name: str) -> bytes:
    return b"labels" if name.endswith(".txt") else picture(name)


def archive(name: str, members: Iterable[str]) -> bytes:
    """An archive or, of a set without archives, the photo itself."""
    file = io.BytesIO()
    if name.endswith(".tar"):
        with tarfile.open(fileobj=file, mode="w") as tar:
            for member in members:
                entry, data = tarfile.TarInfo(member), content(member)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    elif name.endswith(".zip"):
        with zipfile.ZipFile(file, "w") as packed:
            for member in members:
                packed.writestr(member, content(member))
    else:
        return picture(name)
    return file.getvalue()


def stand_in(name: str, url: str) -> str:
    """The set's file of the catalogue with another host, without what is true of the real archives alone."""
    text = (SHIPPED / f"{name}.toml").read_text()
    text = re.sub(r"^(photos|about) = .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r', (bytes = \d+|sha256 = "\w+")', "", text)
    return re.sub(r'(?<=[\[ ]")https?://[^/"]+(?=/[^"]*\.(zip|tar|png)")', url, text)


@pytest.fixture
def serve(server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return `serve(name)`: describe a stand-in, and put its archives on the server or in the folder."""
    monkeypatch.chdir(tmp_path)
    Path("catalogue").mkdir()

    def serve(name: str) -> None:
        Path("catalogue", f"{name}.toml").write_text(stand_in(name, server.url))
        for member in BY_HAND.get(name, []):
            path = Path("data/manual", name, member)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(member))
        for part in find_entry(name).parts.values():
            for file in filter(None, (file.url for file in part.files)):
                assert file.startswith(server.url), "tests must not leave this machine"
                server.files[urlsplit(file).path] = archive(file, LAYOUTS[name].get(Path(file).name, []))

    return serve


def fetch(name: str, part: str = "", folder: str = "") -> list[PhotoFile]:
    return list(
        Dataset(kind="dataset", name=name, part=part, folder=folder).fetch(Path("downloads"), "fetch")
    )


def edit(name: str, old: str, new: str) -> None:
    """Change the stand-in's description."""
    path = Path("catalogue", f"{name}.toml")
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


PARTS = [(name, part) for name in sorted({**LAYOUTS, **BY_HAND}) for part in find_entry(name).parts]


def test_every_shipped_set_has_a_stand_in() -> None:
    assert {name for name, _ in PARTS} == {path.stem for path in SHIPPED.glob("*.toml")}


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_every_part_of_every_set_is_found_in_the_layout_of_its_archive(serve, name: str, part: str) -> None:
    """Protects: patterns that take nothing, or the photos of another part."""
    serve(name)
    found = {one.name for one in fetch(name, part)}
    others = [other for other in find_entry(name).parts if other != part and name not in ("raise", "city100")]
    assert found
    for other in others:
        assert not found & {one.name for one in fetch(name, other)}


@pytest.mark.parametrize(
    ("name", "part"), [(n, p) for n, p in PARTS if find_entry(n).parts[p].truth], ids="-".join
)
def test_photos_and_their_truths_have_the_same_names(serve, name: str, part: str) -> None:
    serve(name)
    truth = find_entry(name).parts[part].truth
    stems = [sorted(Path(one.name).stem for one in fetch(name, which)) for which in (part, truth)]
    assert stems[0] == stems[1] != []


def test_a_page_that_is_gone_is_named_with_its_home_page_and_the_mirror_is_used(server, serve) -> None:
    serve("flickr2k")
    edit("flickr2k", f'mirrors = ["{server.url}/research', f'mirrors = ["{server.url}/mirror')
    server.files["/mirror/EDSR/Flickr2K.tar"] = server.files.pop("/research/EDSR/Flickr2K.tar")
    assert [Path(one.name).name for one in fetch("flickr2k")] == ["000001.png"]
    server.files.clear()
    shutil.rmtree("downloads")
    with pytest.raises(SourceError, match="data set flickr2k: ") as caught:
        fetch("flickr2k")
    for text in ("/research/EDSR/Flickr2K.tar does not exist", "/mirror/EDSR/Flickr2K.tar does not exist",
                 "HTTP 404", "https://github.com/LimBee/NTIRE2017", "catalogue/flickr2k.toml"):  # fmt: skip
        assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_archive_with_another_layout_says_what_it_has_instead(server, serve) -> None:
    serve("div2k")
    server.files["/cvl/DIV2K/DIV2K_train_HR.zip"] = archive("a.zip", ["HR/readme.txt", "HR/0001.png"])
    with pytest.raises(
        SourceError,
        match=r"DIV2K_train_HR.zip contains no photo that matches \*DIV2K_train_HR/\*.png: .*HR/0001",
    ):
        fetch("div2k", "train-hr")


def test_a_checksum_that_differs_is_refused(serve) -> None:
    serve("div2k")
    edit("div2k", 'DIV2K_train_HR.zip"', f'DIV2K_train_HR.zip", sha256 = "{"0" * 64}"')
    with pytest.raises(SourceError, match=f"DIV2K_train_HR.zip has sha256 [0-9a-f]{{64}}, not {'0' * 64}"):
        fetch("div2k", "train-hr")


def test_an_archive_that_lacks_photos_is_refused(serve) -> None:
    serve("div2k")
    edit("div2k", "[parts.train-hr]", "[parts.train-hr]\nphotos = 800")
    with pytest.raises(SourceError, match="data set div2k: 2 photos are there, not 800; complete"):
        fetch("div2k", "train-hr")


def test_a_hostile_archive_is_refused_although_no_pattern_asks_for_its_member(server, serve) -> None:
    serve("div2k")
    server.files["/cvl/DIV2K/DIV2K_train_HR.zip"] = archive(
        "a.zip", ["DIV2K_train_HR/1.png", "../../evil.png"]
    )
    with pytest.raises(SourceError, match=r"is refused: '../../evil.png' points outside"):
        fetch("div2k", "train-hr")


def test_a_set_by_hand_says_what_to_download_and_where_to_put_it(serve) -> None:
    serve("cityscapes")
    shutil.rmtree("data")
    with pytest.raises(
        SourceError,
        match=r"log in at https://.* leftImg8bit_trainvaltest.zip .*folder data/manual/cityscapes,",
    ):
        fetch("cityscapes", "train")
    with pytest.raises(SourceError, match="folder elsewhere, which does not exist"):
        fetch("cityscapes", "train", folder="elsewhere")
    Path("elsewhere").mkdir()
    with pytest.raises(
        SourceError, match=r"elsewhere contains none of leftImg8bit_trainvaltest.zip, \*leftImg8"
    ):
        fetch("cityscapes", "train", folder="elsewhere")


def test_a_set_by_hand_is_taken_from_its_archive_as_well(serve) -> None:
    """Protects: the archive's limits and the user's folder, in which nothing is unpacked."""
    serve("cityscapes")
    from_folder = [Path(one.name).name for one in fetch("cityscapes", "val")]
    data = archive("a.zip", BY_HAND["cityscapes"])
    Path("zips").mkdir()
    Path("zips/leftImg8bit_trainvaltest.zip").write_bytes(data)
    assert [Path(one.name).name for one in fetch("cityscapes", "val", folder="zips")] == from_folder
    assert [path.name for path in Path("zips").iterdir()] == ["leftImg8bit_trainvaltest.zip"]
    facts = {"bytes": f"bytes = {len(data) + 1}", "sha256": f'sha256 = "{"0" * 64}"'}
    for message, fact in facts.items():
        edit("cityscapes", 'trainvaltest.zip" }', f'trainvaltest.zip", {fact} }}')
        with pytest.raises(SourceError, match=rf"trainvaltest.zip has .*{message}.*; download it again"):
            fetch("cityscapes", "val", folder="zips")
        edit("cityscapes", f'trainvaltest.zip", {fact} }}', 'trainvaltest.zip" }')


def test_an_incomplete_set_by_hand_is_refused(serve) -> None:
    serve("dped")
    edit("dped", "[parts.iphone-patches]", "[parts.iphone-patches]\nphotos = 160000\nabout = true")
    with pytest.raises(SourceError, match="only 2 of about 160000 photos are there; complete the download"):
        fetch("dped", "iphone-patches")
    edit("dped", "photos = 160000\nabout = true", "photos = 3")
    with pytest.raises(SourceError, match="2 photos are there, not 3"):
        fetch("dped", "iphone-patches")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("http://", "ftp://", "url must begin with http"),
        ("Flickr2K.tar", "Flickr2K.rar", r"url must end in \.zip"),
        ("mirrors =", 'sha256 = "abc", mirrors =', "sha256 must be 64 hexadecimal digits"),
    ],
)
def test_a_description_that_cannot_work_is_refused_before_any_download(serve, old, new, message) -> None:
    serve("flickr2k")
    edit("flickr2k", old, new)
    with pytest.raises(ValueError, match=f"catalogue/flickr2k.toml: {message}"):
        Dataset(kind="dataset", name="flickr2k")


def test_a_folder_is_refused_where_it_would_be_ignored() -> None:
    with pytest.raises(ValueError, match="folder is only for sets that are downloaded by hand"):
        Dataset(kind="dataset", name="kodak", folder="there")


def test_the_papers_cameras_are_valid_and_can_be_fetched(serve, repository: Path) -> None:
    """Protects: `cp examples/paper.yaml params.yaml && dvc repro`, up to the training."""
    shutil.copy(repository / "examples" / "paper.yaml", "params.yaml")
    check = [sys.executable, "-m", "stages.check"]
    environment = os.environ | {"PYTHONPATH": str(repository)}
    ended = subprocess.run(check, env=environment, capture_output=True, text=True)
    assert ended.stdout.startswith("params.yaml is valid: cameras iphone-dped, "), ended.stderr
    assert "sony-dped: unstated (dped); sony-div2k: no (div2k); " in ended.stderr
    loaded = load()
    for name in {use.name for camera in loaded.cameras for use in loaded.data_sets(camera)}:
        serve(name)
    for kind in ("cameras", "targets"):
        for name, block in getattr(loaded, kind).items():
            photos = accepted(fetch_photos(f"{kind}.{name}", block.photos).photos)
            assert len(photos) > 1, name
            assert all(bool(photo.truth_path) == bool(block.photos.truth) for photo in photos), name
