"""A user names photos in many ways, and gets those, all of them, under names that do not clash."""

import os
from collections.abc import Sequence
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.enhancement.inputs import find_photos
from pipeline.errors import EnhancementError

TREE = (
    "a.jpg",
    "b.PNG",
    "notes.txt",
    "2023/c.jpg",
    "2024-01/d.jpg",
    "2024-01/raw/e.tif",
    "2024-02/f.jpg",
    ".x/g.jpg",
)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in TREE:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="photos")
    for name in (*TREE, "2024-01/"):
        client.put_object(Bucket="photos", Key=f"in/{name}", Body=name.encode())
    client.put_object(Bucket="photos", Key="in-2/z.jpg", Body=b"z")
    return "s3://photos/"


def photos(*addresses: str) -> Sequence[str]:
    return [one.photo for one in find_photos(addresses)]


PATTERNS = [
    ("in", ["2023/c.jpg", "2024-01/d.jpg", "2024-01/raw/e.tif", "2024-02/f.jpg", "a.jpg", "b.PNG"]),
    ("in/*.jpg", ["a.jpg"]),
    ("in/**/*.jpg", ["2023/c.jpg", "2024-01/d.jpg", "2024-02/f.jpg", "a.jpg"]),
    ("in/2024-*", ["2024-01/d.jpg", "2024-01/raw/e.tif", "2024-02/f.jpg"]),
    ("in/2024-0[!2]/?.jpg", ["2024-01/d.jpg"]),
    ("in/a.jpg", ["a.jpg"]),
]


@pytest.mark.parametrize(("address", "expected"), PATTERNS)
def test_folders_and_patterns_name_photos_below_them(tree: Path, address: str, expected: list[str]) -> None:
    assert photos(address) == expected


@pytest.mark.parametrize(("address", "expected"), PATTERNS)
def test_the_same_addresses_mean_the_same_in_a_bucket(bucket: str, address: str, expected: list[str]) -> None:
    found = photos(bucket + address)
    assert [name for name in found if not name.startswith(".")] == expected


def test_several_folders_keep_their_names(tree: Path) -> None:
    (tree / "more").mkdir()
    (tree / "more/a.jpg").touch()
    assert photos("in/2024-02", "more") == ["2024-02/f.jpg", "more/a.jpg"]
    assert photos("in/2024-02/../../more", "in/2024-01/raw/..") == [
        "more/a.jpg",
        "2024-01/d.jpg",
        "2024-01/raw/e.tif",
    ]


def test_lists_contain_one_photo_per_entry(tree: Path, bucket: str) -> None:
    """Protects: missing photos of a list are reported later, one by one."""
    wanted = ["in/a.jpg", "", "in/2023/c.jpg", "in/gone.jpg", str(tree / "in/b.PNG")]
    expected = ["2023/c.jpg", "a.jpg", "b.PNG", "gone.jpg"]
    Path("list.txt").write_text("\n".join(wanted))
    Path("list.csv").write_text("id,photo\n" + "".join(f'1,"{name}"\n' for name in wanted))
    pq.write_table(pa.table({"photo": wanted}), "list.parquet")
    for kind in ("txt", "csv", "parquet"):
        assert photos(f"list.{kind}") == expected
    Path("both.txt").write_text("s3://photos/in/2023/c.jpg\nin/a.jpg\ns3://photos/in/a.jpg\n")
    assert photos("both.txt") == ["photos/2023/c.jpg", "photos/a.jpg", "a.jpg"]


def test_a_list_names_keys_as_they_are(tree: Path, bucket: str) -> None:
    """Protects: objects whose keys no file system would have."""
    boto3.client("s3", region_name="us-east-1").put_object(Bucket="photos", Key="in/x//h.jpg", Body=b"h")
    Path("list.txt").write_text("s3://photos/in/x//h.jpg\n")
    [found] = find_photos(["list.txt"])
    assert found.store.head(found.stored.name, 1) == b"h"


@pytest.mark.parametrize("kind", ["txt", "csv"])
def test_a_list_may_come_from_windows(tree: Path, kind: str) -> None:
    """Protects: the byte order mark that Excel and Notepad write."""
    Path(f"list.{kind}").write_text("photo\r\n" * (kind == "csv") + "in/a.jpg\r\n", "utf-8-sig", newline="")
    assert photos(f"list.{kind}") == ["a.jpg"]


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("gone", "no such file or folder; name a photo"),
        ("in/*.webp", "no photo matches"),
        ("in/notes.txt.jpg", "no such file or folder"),
        ("in/[z-a].jpg", "invalid pattern"),
        ("in/[!].jpg", "invalid pattern"),
        ("in/.x", "no photo in or below it"),
        ("empty.txt", "the list is empty"),
        ("other.csv", "has no column `photo`"),
        ("s3://photos/none/", "no photo in or below it"),
        ("s3://photos/none/a.jpg", "no such photo"),
        ("s3://", "has no bucket name"),
        ("https://example.com/a.jpg", "only folders and s3:// can be read"),
        ("gs://photos/", "only folders and s3:// can be read"),
    ],
)
def test_addresses_without_photos_are_rejected(tree: Path, bucket: str, address: str, error: str) -> None:
    Path("empty.txt").write_text("\n")
    Path("other.csv").write_text("name\na.jpg\n")
    (tree / "in/.x/g.jpg").unlink()
    with pytest.raises(EnhancementError, match=error):
        photos(address)


def test_a_name_that_is_not_utf8_is_found_and_can_be_read(tree: Path) -> None:
    """Protects: one old camera's file name once stopped the whole job."""
    (tree / "in" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"old")
    [found] = find_photos(["in/caf*"])
    assert found.photo == "caf\\xe9.jpg"
    assert found.store.open(found.stored.name).read() == b"old"


def test_a_photo_that_two_patterns_match_is_found_once(tree: Path, bucket: str) -> None:
    assert photos("in/a*.jpg", "in/*a.jpg", "in/a.jpg") == ["a.jpg"]
    assert photos("in/2024-01/*.jpg", "in/**/d.jpg") == ["d.jpg"]
    assert photos(bucket + "in/a*.jpg", bucket + "in/*a.jpg") == ["a.jpg"]


def test_system_files_are_skipped_and_broken_links_are_reported(tree: Path) -> None:
    for name in ("@eaDir/a.jpg/SYNOFILE_THUMB_M.jpg", "#recycle/b.jpg"):
        (tree / "nas" / name).parent.mkdir(parents=True)
        (tree / "nas" / name).write_bytes(b"x")
    (tree / "nas/link.jpg").symlink_to(tree / "gone.jpg")
    assert photos("nas") == ["link.jpg"], "the job lists it as failed"


def test_a_buckets_folder_marker_is_no_photo(bucket: str) -> None:
    client = boto3.client("s3", region_name="us-east-1")
    client.put_object(Bucket="photos", Key="in/2024-02/folder.jpg/", Body=b"")
    assert photos("s3://photos/in/2024-02/") == ["f.jpg"]
