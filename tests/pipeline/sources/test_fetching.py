"""Fetch as a whole: verified photos and their manifest appear together, or not at all."""

import io
import os
import shutil
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from pipeline.errors import SourceError
from pipeline.patches.manifest import accepted, read_manifest
from pipeline.patches.splits import Split
from pipeline.photos.images import read_photo
from pipeline.sources.demo import Demo
from pipeline.sources.fetching import PhotoSet, fetch_photos
from pipeline.sources.folder import Folder
from pipeline.sources.http import Http, HttpFile
from pipeline.sources.simulated_camera import SimulatedCamera

PHOTOS = Path("data/cameras/phone/photos")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Twenty small photos; the current folder is fresh."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "user" / "photos"
    folder.mkdir(parents=True)
    for number in range(20):
        (folder / f"{number:02d}.jpg").write_bytes(jpeg(number))
    return folder


def jpeg(seed: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def photo_set(folder: Path, **settings) -> PhotoSet:
    return PhotoSet(source=Folder(kind="folder", paths=[str(folder)]), **settings)


def png(seed: int, width: int = 32) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (24, width, 3), np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def truths(folder) -> Path:
    """The same twenty places by another camera, as PNG."""
    truths = folder.parent / "truths"
    truths.mkdir()
    for number in range(20):
        (truths / f"{number:02d}.png").write_bytes(png(100 + number))
    return truths


def pairs(folder: Path, truths: Path, **settings) -> PhotoSet:
    return photo_set(folder, truth=Folder(kind="folder", paths=[str(truths)]), **settings)


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_originals_are_copied_byte_for_byte_and_left_alone(folder):
    """Protects: the user's photos are not changed, and ids match the content."""
    before = contents(folder)
    fetched = fetch_photos("cameras.phone", photo_set(folder))
    assert contents(folder) == before
    rows = read_manifest(PHOTOS)
    assert rows == sorted(fetched.photos, key=lambda photo: photo.id)
    assert {row.name: (PHOTOS / row.path).read_bytes() for row in rows} == before
    assert all(row.path == f"{row.id}.jpg" and (row.width, row.height) == (32, 24) for row in rows)
    assert {row.split for row in rows} == {"train", "validation", "test"}
    assert str(fetched).startswith("20 photos, 0.0 MB (")
    assert not os.stat(PHOTOS / rows[0].path).st_nlink > 1


def test_the_same_photos_give_the_same_bytes(folder):
    """Protects: DVC reruns nothing that has not changed."""
    fetch_photos("cameras.phone", photo_set(folder, simulated_camera=SimulatedCamera()))
    first = contents(PHOTOS)
    fetch_photos("cameras.phone", photo_set(folder, simulated_camera=SimulatedCamera()))
    assert contents(PHOTOS) == first


def test_duplicates_become_one_row(folder):
    shutil.copy(folder / "00.jpg", folder / "copy.jpg")
    fetched = fetch_photos("cameras.phone", photo_set(folder))
    assert (len(fetched.photos), fetched.duplicates) == (20, 1)
    assert "copy.jpg" not in [photo.name for photo in fetched.photos]
    assert "0 rejected, 1 duplicates left out" in str(fetched)


def test_a_few_broken_photos_become_rows_with_a_reason(folder):
    (folder / "broken.jpg").write_bytes(b"rubbish")
    fetch_photos("cameras.phone", photo_set(folder))
    rows = read_manifest(PHOTOS)
    [broken] = [row for row in rows if row.reject_reason]
    assert (broken.name, broken.path, broken.split) == ("broken.jpg", "", "")
    assert "not a JPEG" in broken.reject_reason
    assert len(accepted(rows)) == 20


def test_too_many_broken_photos_stop_the_stage_and_leave_nothing(folder):
    """Protects: broken folders are not used for training; earlier data is kept until photos are fixed."""
    fetch_photos("cameras.phone", photo_set(folder))
    before = contents(Path("data"))
    for number in range(7):
        (folder / f"broken-{number}.jpg").write_bytes(b"rubbish %d" % number)
    with pytest.raises(SourceError) as caught:
        fetch_photos("cameras.phone", photo_set(folder))
    message = str(caught.value)
    assert message.startswith("cameras.phone: 7 of 27 photos are broken, more than max_rejected_share 0.05")
    assert "broken-0.jpg: not a JPEG" in message
    assert "and 2 more" in message
    assert "\n" not in message
    assert contents(Path("data")) == before
    assert len(fetch_photos("cameras.phone", photo_set(folder, max_rejected_share=0.5)).photos) == 27


def test_only_broken_photos_are_an_error_whatever_the_share(folder):
    for path in folder.iterdir():
        path.write_bytes(b"rubbish" + path.name.encode())
    with pytest.raises(SourceError, match="20 of 20 photos are broken"):
        fetch_photos("cameras.phone", photo_set(folder, max_rejected_share=0.99))
    assert not [path for path in Path("data").rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_an_empty_folder_names_the_camera(folder):
    (folder / "empty").mkdir()
    with pytest.raises(SourceError, match=r"^cameras.phone: folder .*empty contains no photo"):
        fetch_photos("cameras.phone", photo_set(folder / "empty"))
    assert not PHOTOS.exists()


def test_a_simulated_camera_keeps_the_truth_untouched(folder):
    """Protects: honest full-reference scores."""
    fetch_photos("cameras.phone", photo_set(folder, simulated_camera=SimulatedCamera()))
    for row in read_manifest(PHOTOS):
        assert (PHOTOS / row.truth_path).read_bytes() == (folder / row.name).read_bytes()
        photo, truth = read_photo(PHOTOS / row.path), read_photo(PHOTOS / row.truth_path)
        assert photo.shape == truth.shape
        assert not np.array_equal(photo, truth)


def test_the_simulated_camera_moves_no_photo_to_another_split(folder):
    """Protects: comparisons across settings. The split follows from the original's content."""
    by_camera = []
    for camera in (None, SimulatedCamera(), SimulatedCamera(blur_sigma_px=2.0)):
        settings = photo_set(folder, simulated_camera=camera, split=Split(validation=0.2, test=0.3))
        fetched = fetch_photos("cameras.phone", settings)
        by_camera.append({photo.name: photo.split for photo in fetched.photos})
    assert by_camera[0] == by_camera[1] == by_camera[2]


def test_the_demo_loses_about_20_db_to_its_camera(tmp_path, monkeypatch):
    """Protects: the demo's task: photos clearly worse than the truth, but close enough to learn from."""
    monkeypatch.chdir(tmp_path)
    settings = PhotoSet(source=Demo(kind="demo", half="camera"), simulated_camera=SimulatedCamera())
    fetched = fetch_photos("cameras.phone", settings)
    pairs = [(read_photo(PHOTOS / p.path), read_photo(PHOTOS / p.truth_path)) for p in fetched.photos]
    psnr_db = [-10 * np.log10(np.mean((a / 255.0 - b / 255.0) ** 2)) for a, b in pairs]
    assert 18 < np.mean(psnr_db) < 22


def test_downloads_go_once_the_photos_are_there(folder, tmp_path):
    """Protects: downloads are kept as long as they are needed, then deleted."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        good = [HttpFile(url=f"{url}/{name}.jpg") for name in ("00", "01")]
        missing = HttpFile(url=f"{url}/99.jpg")
        with pytest.raises(SourceError, match=r"^cameras.phone: http://.*/99.jpg does not exist"):
            fetch_photos("cameras.phone", PhotoSet(source=Http(kind="http", urls=[*good, missing])))
        assert Path("data/.downloads/cameras/phone").is_dir()
        fetch_photos("cameras.phone", PhotoSet(source=Http(kind="http", urls=good)))
        server.shutdown()
    assert not Path("data/.downloads/cameras/phone").exists()
    assert sorted(photo.name for photo in read_manifest(PHOTOS)) == ["00.jpg", "01.jpg"]


def test_one_broken_photo_never_stops_the_others(folder):
    """Protects: small sets, where one file is a large share."""
    for path in sorted(folder.iterdir())[4:]:
        path.unlink()
    (folder / "link.jpg").symlink_to(folder / "gone.jpg")
    summary = fetch_photos("cameras.phone", photo_set(folder))
    assert len(accepted(summary.photos)) == 4
    assert "rejected link.jpg: is a link to a file that does not exist" in summary.warnings
    with pytest.raises(SourceError, match="1 of 5 photos are broken"):
        fetch_photos("cameras.phone", photo_set(folder, max_rejected_share=0))


def test_a_small_set_is_told_what_to_expect_and_one_photo_is_refused(folder):
    paths = sorted(folder.iterdir())
    for path in paths[4:]:
        path.unlink()
    split = Split(validation=0, test=0)
    [warning] = fetch_photos("cameras.phone", photo_set(folder, split=split)).warnings
    assert warning.startswith("only 4 photos for training; expect a weak model")
    for path in paths[1:4]:
        path.unlink()
    with pytest.raises(SourceError, match=r"^cameras\.phone: contains only one photo; add more"):
        fetch_photos("cameras.phone", photo_set(folder, split=split))


def test_two_fetches_of_one_set_exclude_each_other(folder):
    Path("data/.downloads/cameras").mkdir(parents=True)
    refused = pytest.raises(SourceError, match=r"^cameras\.phone: another process is fetching it")
    with FileLock("data/.downloads/cameras/phone.lock"), refused:
        fetch_photos("cameras.phone", photo_set(folder))
    fetch_photos("cameras.phone", photo_set(folder))


def test_the_share_is_a_share(folder):
    with pytest.raises(ValueError, match="max_rejected_share"):
        photo_set(folder, max_rejected_share=1.5)


def test_missing_arguments_print_usage():
    """Protects: a command without arguments explains what it needs."""
    root = Path(__file__).parents[2]
    shown = subprocess.run(
        [sys.executable, "-m", "stages.fetch", "--help"], cwd=root, capture_output=True, text=True, check=True
    )
    assert "cameras.NAME|targets.NAME" in shown.stdout


def test_a_tiny_picture_is_rejected_with_a_reason(folder):
    """Protects: scores, which cannot be computed for photos of a few pixels."""
    Image.new("RGB", (8, 8)).save(folder / "icon.png")
    fetched = fetch_photos("cameras.phone", photo_set(folder))
    [icon] = [photo for photo in fetched.photos if photo.name == "icon.png"]
    assert (icon.reject_reason, icon.path) == ("smaller than 16 px", "")


def test_a_file_name_that_is_not_utf8_is_listed_readably(folder):
    """Protects: the manifest, whose text is UTF-8, from the names of old cameras."""
    (folder / "00.jpg").rename(folder / os.fsdecode(b"caf\xe9.jpg"))
    names = {photo.name for photo in fetch_photos("cameras.phone", photo_set(folder)).photos}
    assert "caf\\udce9.jpg" in names


def test_photos_and_truths_of_the_same_name_are_joined(folder, truths):
    """Protects: pairs, whatever format either camera writes, and the user's files."""
    before = contents(folder.parent)
    fetched = fetch_photos("cameras.phone", pairs(folder, truths))
    assert contents(folder.parent) == before
    assert len(accepted(fetched.photos)) == 20
    for row in read_manifest(PHOTOS):
        assert (PHOTOS / row.path).read_bytes() == (folder / row.name).read_bytes()
        truth = (truths / row.name).with_suffix(".png")
        assert (PHOTOS / row.truth_path).read_bytes() == truth.read_bytes()
        assert row.truth_path.startswith("truth/")


def test_names_count_without_folders_where_the_folders_differ(folder, truths):
    """Protects: the layout of DPED, iphone/1.jpg and canon/1.jpg, as a bucket shows it."""
    for photos, camera in ((folder, "iphone"), (truths, "canon")):
        (photos / camera).mkdir()
        for photo in photos.glob("*.*"):
            photo.rename(photos / camera / photo.name)
    fetch_photos("cameras.phone", pairs(folder, truths))
    for row in read_manifest(PHOTOS):
        truth = truths / "canon" / Path(row.name).with_suffix(".png").name
        assert (PHOTOS / row.truth_path).read_bytes() == truth.read_bytes()


def test_names_count_with_folders_where_the_folders_agree(folder, truths):
    """Protects: pairs, where every day's photos are numbered from one."""
    for photos in (folder, truths):
        for photo in photos.glob("1*.*"):
            (photos / "monday").mkdir(exist_ok=True)
            photo.rename(photos / "monday" / f"0{photo.name[1:]}")
    fetched = fetch_photos("cameras.phone", pairs(folder, truths))
    assert len(accepted(fetched.photos)) == 20
    for row in read_manifest(PHOTOS):
        truth = (truths / row.name).with_suffix(".png")
        assert (PHOTOS / row.truth_path).read_bytes() == truth.read_bytes()


def test_photos_without_a_truth_to_learn_from_are_rows_with_a_reason(folder, truths):
    (truths / "00.png").unlink()
    (truths / "01.png").write_bytes(png(1, width=40))
    (truths / "02.png").write_bytes(b"rubbish")
    fetched = fetch_photos("cameras.phone", pairs(folder, truths, max_rejected_share=0.2))
    reasons = {photo.name: photo.reject_reason for photo in fetched.photos if photo.reject_reason}
    assert reasons == {
        "00.jpg": "has no truth with the same name",
        "01.jpg": "its truth 01.png is 40×24 px, not 32×24 px",
        "02.jpg": "its truth 02.png: not a JPEG, PNG, TIFF, WebP, AVIF, JPEG XL, HEIF or RAW photo",
    }
    assert len(accepted(fetched.photos)) == 17
    with pytest.raises(SourceError, match=r"3 of 20 photos are broken.*00.jpg: has no truth"):
        fetch_photos("cameras.phone", pairs(folder, truths))


@pytest.mark.parametrize(("side", "name"), [("truths", "07.tif"), ("photos", "07.webp")])
def test_ambiguous_names_of_pairs_stop_the_stage(folder, truths, side, name):
    """Protects: pairs are never guessed."""
    (folder.parent / side / name).write_bytes(png(500))
    with pytest.raises(SourceError, match=rf"^cameras.phone: 2 {side} have the name '07' \('07.*'{name}'\)"):
        fetch_photos("cameras.phone", pairs(folder, truths))
    assert not PHOTOS.exists()


def test_a_truth_without_a_photo_is_ignored(folder, truths):
    (truths / "holiday.png").write_bytes(png(1))
    (truths / "holiday.tif").write_bytes(png(2))
    assert len(accepted(fetch_photos("cameras.phone", pairs(folder, truths)).photos)) == 20
    assert len(list((PHOTOS / "truth").iterdir())) == 20


def test_truth_and_simulated_camera_exclude_each_other(folder, truths):
    with pytest.raises(ValueError, match="give either truth or simulated_camera"):
        pairs(folder, truths, simulated_camera=SimulatedCamera())


def test_both_sources_resume_after_a_stop(folder, truths):
    """Protects: hours of downloads of the photos when a truth is missing, and the other way round."""
    answers: list[tuple[str, int]] = []

    class Recording(SimpleHTTPRequestHandler):
        def log_request(self, code: object = 0, *_: object) -> None:
            answers.append((self.path, int(code)))

        def log_message(self, *_: object) -> None:
            pass

    (truths / "01.png").rename(truths / "away.png")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Recording, directory=str(folder.parent))) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        sources = [
            Http(kind="http", urls=[HttpFile(url=f"{url}/{name}.{suffix}") for name in names])
            for suffix, names in (("jpg", ["photos/00", "photos/01"]), ("png", ["truths/00", "truths/01"]))
        ]
        wanted = PhotoSet(source=sources[0], truth=sources[1])
        with pytest.raises(SourceError, match=r"^cameras.phone: truth: http://.*/01.png does not exist"):
            fetch_photos("cameras.phone", wanted)
        (truths / "away.png").rename(truths / "01.png")
        answers.clear()
        assert len(accepted(fetch_photos("cameras.phone", wanted).photos)) == 2
        server.shutdown()
    assert dict(answers)["/photos/00.jpg"] == dict(answers)["/photos/01.jpg"] == 304
    assert dict(answers)["/truths/01.png"] == 200
    assert not Path("data/.downloads/cameras/phone").exists()


def test_what_is_odd_about_accepted_photos_is_reported_once_and_listed(folder) -> None:
    """Protects: CMYK photos and files of several pictures train a model in silence."""
    frames = [Image.fromarray(np.full((40, 40, 3), level, np.uint8)) for level in (50, 100)]
    for number in range(3):
        frames[0].putpixel((0, 0), (number, 0, 0))
        frames[0].save(folder / f"scan-{number}.tif", save_all=True, append_images=frames[1:])

    summary = fetch_photos("cameras.phone", photo_set(folder))

    text = "only the first of its 2 frames is used"
    assert f"scan-0.tif: {text} (and 2 more)" in [line.rpartition("/")[2] for line in summary.warnings]
    assert sum(photo.warnings == text for photo in read_manifest(PHOTOS)) == 3
