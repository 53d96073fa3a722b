"""Photos to shards by the real Ray Data, for a folder as cameras make them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ShardError
from pipeline.layout import photo_set
from pipeline.patches import shards
from pipeline.patches.manifest import read_manifest
from pipeline.patches.patches import Patches
from pipeline.patches.patchify import patchify
from pipeline.patches.settings import WHOLE_PX
from pipeline.patches.shards import Index, pixels_nhwc
from pipeline.patches.splits import Split
from pipeline.patches.stream import stream_of
from pipeline.photos.images import read_photo
from pipeline.sources.fetching import PhotoSet, fetch_photos
from pipeline.sources.folder import Folder
from pipeline.sources.simulated_camera import SimulatedCamera

PATCHES = Patches(size_px=32, per_photo=20)
pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fetch(folder: Path, test_share: float = 0.4) -> None:
    source = Folder(kind="folder", paths=[str(folder)])
    fetch_photos("cameras.phone", PhotoSet(source=source, split=Split(validation=0.2, test=test_share)))


def table_of(index: Index, split: str):
    import pyarrow.parquet as pq

    return pq.read_table([index.folder / shard.file for shard in index.splits[split]])


def test_patches_are_the_photos_pixels_and_splits_are_by_photo(workplace: Path, demo_photos: Path) -> None:
    fetch(demo_photos)
    index = patchify("cameras.phone", PATCHES)
    photos = {p.id: p for p in read_manifest(photo_set("cameras.phone").photos)}
    assert sum(index.rows(split) for split in index.splits) == 20 * 3
    for split in index.splits:
        if not index.rows(split):
            continue
        table = table_of(index, split)
        pixels = pixels_nhwc(table, 32)
        for row, patch in zip(table.select(["photo_id", "y", "x"]).to_pylist(), pixels, strict=True):
            photo = photos[row["photo_id"]]
            assert photo.split == split
            whole = read_photo(photo_set("cameras.phone").photos / photo.path)
            assert np.array_equal(patch, whole[row["y"] : row["y"] + 32, row["x"] : row["x"] + 32])


def test_every_photo_is_also_kept_whole_and_upright(workplace: Path, demo_photos: Path) -> None:
    """Protects: light is learned from whole photos, and the sky must be at the top."""
    turned = np.zeros((90, 130, 3), np.uint8)
    turned[:, :65] = 200  # its left is the top, once it is upright
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(turned).save(demo_photos / "turned.jpg", exif=exif, quality=95)
    fetch(demo_photos)
    index = patchify("cameras.phone", PATCHES)
    photos = {p.id: p for p in read_manifest(photo_set("cameras.phone").photos)}
    seen = {}
    for split in index.whole.splits:
        if index.whole.rows(split):
            table = table_of(index.whole, split)
            whole = pixels_nhwc(table, WHOLE_PX)
            for photo_id, one in zip(table["photo_id"].to_pylist(), whole, strict=True):
                assert photos[photo_id].split == split
                seen[photos[photo_id].name] = one
                full = read_photo(photo_set("cameras.phone").photos / photos[photo_id].path)
                assert np.abs(full.mean((0, 1)) - one.mean((0, 1))).max() < 3
    assert len(seen) == len(photos)
    upright = next(one for name, one in seen.items() if "turned" in name)
    halves = upright[:90].mean(), upright[100:].mean()
    assert abs(halves[0] - halves[1]) > 150
    assert upright[:, :90].mean() == pytest.approx(upright[:, 100:].mean(), abs=5)


def test_the_same_photos_give_the_same_bytes_whatever_their_order(workplace: Path, demo_photos: Path) -> None:
    fetch(demo_photos)
    first = patchify("cameras.phone", PATCHES)
    for number, photo in enumerate(sorted(demo_photos.iterdir(), reverse=True)):
        photo.rename(demo_photos / f"{number}{photo.suffix}")  # ids are of the content, not of the name
    fetch(demo_photos)
    assert patchify("cameras.phone", PATCHES).digest == first.digest


def test_one_small_photo_among_many_is_left_out(
    workplace: Path, demo_photos: Path, capsys: pytest.CaptureFixture
) -> None:
    for number in range(30):
        Image.effect_noise((40, 40), number).save(demo_photos / f"noise{number}.png")
    Image.new("RGB", (31, 300)).save(demo_photos / "strip.png")
    fetch(demo_photos)
    patchify("cameras.phone", PATCHES)
    assert "left out 1 photos smaller than 32 px" in capsys.readouterr().out


def test_photos_smaller_than_a_patch_stop_the_stage(workplace: Path, demo_photos: Path) -> None:
    for photo in demo_photos.iterdir():
        Image.open(photo).resize((30, 20)).save(photo)
    fetch(demo_photos)
    with pytest.raises(
        ShardError, match=r"3 of 3 photos are smaller .* of 32 px, such as .*\(30×20\); lower cam"
    ):
        patchify("cameras.phone", PATCHES)
    assert not photo_set("cameras.phone").patches.exists()


def test_a_photo_damaged_since_it_was_fetched_is_named(workplace: Path, demo_photos: Path) -> None:
    fetch(demo_photos)
    photo = read_manifest(photo_set("cameras.phone").photos)[0]
    (photo_set("cameras.phone").photos / photo.path).write_bytes(b"no photo")
    with pytest.raises(ShardError, match=rf"cameras.phone: .*{photo.id}.* fetch the photos again") as caught:
        patchify("cameras.phone", PATCHES)
    assert "\n" not in str(caught.value)
    assert not photo_set("cameras.phone").patches.exists()


def test_a_fine_grid_over_a_photo_comes_in_pieces(workplace: Path, demo_photos: Path) -> None:
    (demo_photos / "rocket.jpg").unlink()
    fetch(demo_photos, test_share=0)
    index = patchify("cameras.phone", Patches(size_px=32, stride_px=10))
    assert index.rows("train") + index.rows("validation") == 27 * 42 + 37 * 57  # 300 × 451, 400 × 600 px


def test_pairs_stay_aligned_from_the_photos_to_the_stream(workplace: Path) -> None:
    """Protects: supervised training. Photos say where each pixel lies; their truths say it in negative."""
    y, x = np.mgrid[:120, :200].astype(np.uint8)
    for number in range(6):
        photo = np.stack([y, x, np.full_like(x, number)], axis=2)
        for folder, pixels in (("phone", photo), ("dslr", 255 - photo)):
            (workplace / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(workplace / folder / f"{number}.png")
    source, truth = (Folder(kind="folder", paths=[str(workplace / name)]) for name in ("phone", "dslr"))
    fetch_photos("cameras.phone", PhotoSet(source=source, truth=truth, split=Split(validation=0, test=0)))
    index = patchify("cameras.phone", PATCHES)
    assert index.paired
    table = table_of(index, "train")
    patches, truths = pixels_nhwc(table, 32), pixels_nhwc(table, 32, "truth")
    assert patches[:, 0, 0, 0].tolist() == table["y"].to_pylist()
    assert patches[:, 0, 0, 1].tolist() == table["x"].to_pylist()
    assert np.array_equal(truths, 255 - patches)
    patches, truths = stream_of(index, "train", name="pairs", seed=1, paired=True).read(0)
    assert np.array_equal(truths, 255 - patches)


def test_a_simulated_cameras_patches_have_their_truth_and_are_else_the_same(
    workplace: Path, demo_photos: Path
) -> None:
    source = Folder(kind="folder", paths=[str(demo_photos)])
    fetch_photos("cameras.phone", PhotoSet(source=source, simulated_camera=SimulatedCamera()))
    index = patchify("cameras.phone", PATCHES)
    photos = {p.id: p for p in read_manifest(photo_set("cameras.phone").photos)}
    assert index.paired
    for split in (split for split in index.splits if index.rows(split)):
        table = table_of(index, split)
        truths = pixels_nhwc(table, 32, "truth")
        for row, truth in zip(table.select(["photo_id", "y", "x"]).to_pylist(), truths, strict=True):
            whole = read_photo(photo_set("cameras.phone").photos / photos[row["photo_id"]].truth_path)
            assert np.array_equal(truth, whole[row["y"] : row["y"] + 32, row["x"] : row["x"] + 32])
    reduced = table_of(index.whole, "train")
    for row, truth in zip(reduced.to_pylist(), pixels_nhwc(reduced, WHOLE_PX, "truth"), strict=True):
        whole = read_photo(photo_set("cameras.phone").photos / photos[row["photo_id"]].truth_path)
        assert np.abs(whole.mean((0, 1)) - truth.mean((0, 1))).max() < 3


def test_a_truth_that_no_longer_fits_its_photo_is_named(workplace: Path, demo_photos: Path) -> None:
    source = Folder(kind="folder", paths=[str(demo_photos)])
    fetch_photos("cameras.phone", PhotoSet(source=source, simulated_camera=SimulatedCamera()))
    photo = read_manifest(photo_set("cameras.phone").photos)[0]
    Image.new("RGB", (500, 500)).save(photo_set("cameras.phone").photos / photo.truth_path)
    with pytest.raises(ShardError, match=rf"cameras.phone: .*{photo.truth_path} is 500×500 px, .* fetch the"):
        patchify("cameras.phone", PATCHES)


FULL_DISK = """
import psutil
from pipeline import cluster
from pipeline.patches.patches import Patches
from pipeline.patches.patchify import patchify
from stages.command import run

def work():
    with cluster.session():
        for process in psutil.Process().children(recursive=True):  # of Ray: no file of theirs may grow beyond
            process.rlimit(psutil.RLIMIT_FSIZE, (100_000, 100_000))
        patchify("cameras.phone", Patches(size_px=32, per_photo=200))

run("patchify", work)
"""


def test_a_full_disk_leaves_no_half_shard_and_a_rerun_works(
    workplace: Path, demo_photos: Path, repository: Path
) -> None:
    fetch(demo_photos)
    stopped = subprocess.run(
        [sys.executable, "-c", FULL_DISK],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(repository)},
        timeout=600,
    )
    assert stopped.returncode == 1, stopped.stderr
    assert re.search(r"patchify: cameras.phone: .*parquet cannot be written \(.*; free space", stopped.stderr)
    assert "Traceback" not in stopped.stderr
    data = photo_set("cameras.phone").root
    assert [path.name for path in data.iterdir()] == ["photos"]
    assert patchify("cameras.phone", PATCHES).rows("train") > 0


def test_shards_divide_photos_exactly_and_the_stream_is_whole(
    workplace: Path, demo_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects: patches where a photo begins in one shard and ends in the next."""
    fetch(demo_photos, test_share=0)
    at_once = patchify("cameras.phone", Patches(size_px=32, per_photo=100))
    expected = table_of(at_once, "train")
    monkeypatch.setattr(shards, "SHARD_BYTES", 64 * 32 * 32 * 3)  # one row group
    divided = patchify("cameras.phone", Patches(size_px=32, per_photo=100))
    assert [shard.rows for shard in divided.splits["train"]] == [64] * (len(expected) // 64) + (
        [len(expected) % 64] if len(expected) % 64 else []
    )
    assert len(divided.splits["train"]) > 1
    assert table_of(divided, "train").equals(expected)
