"""Archives: photos come out; nothing else gets in."""

import io
import os
import stat
import tarfile
import zipfile

import pytest

from pipeline.errors import SourceError
from pipeline.sources.archives import Limits, is_archive, unpack


def zipped(path, members: dict[str, bytes]):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return path


def tarred(path, members: dict[str, bytes], kind: bytes = tarfile.REGTYPE, link: str = ""):
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.type, entry.linkname = len(data) if kind == tarfile.REGTYPE else 0, kind, link
            archive.addfile(entry, io.BytesIO(data))
    return path


@pytest.mark.parametrize("name", ["set.zip", "set.tar", "set.tar.gz", "set.tgz"])
def test_photos_come_out_whole_and_sorted(tmp_path, jpegs, name):
    members = {"walk/" + photo: data for photo, data in reversed(jpegs.items())}
    members |= {"readme.txt": b"hello", "__MACOSX/._photo-0.jpg": b"rubbish", "walk/.hidden.jpg": b"rubbish"}
    archive = (zipped if name.endswith("zip") else tarred)(tmp_path / name, members)
    assert is_archive(name)
    found = unpack(archive, name)
    assert [one.name for one in found] == [f"{name}/walk/{photo}" for photo in jpegs]
    assert [one.path.read_bytes() for one in found] == list(jpegs.values())


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize(
    "name", ["/etc/evil.jpg", "../evil.jpg", "a/../../evil.jpg", "..\\evil.jpg", "C:/evil.jpg"]
)
def test_paths_that_lead_outside_are_refused(tmp_path, jpegs, pack, name):
    members = {"a.jpg": jpegs["photo-0.jpg"], name: b"x"}
    archive = pack(tmp_path / ("set.zip" if pack is zipped else "set.tar"), members)
    with pytest.raises(SourceError, match=r"is refused: .* points outside the archive"):
        unpack(archive, archive.name)
    assert os.listdir(tmp_path) == [archive.name]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused_in_tar(tmp_path, kind):
    archive = tarred(tmp_path / "set.tar", {"a.jpg": b""}, kind, "/etc/passwd")
    with pytest.raises(SourceError, match=r"'a.jpg' is a link or a device"):
        unpack(archive, "set.tar")


def test_links_are_refused_in_zip(tmp_path):
    link = zipfile.ZipInfo("a.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(SourceError, match=r"'a.jpg' is a link or a device"):
        unpack(tmp_path / "set.zip", "set.zip")


@pytest.mark.parametrize("name", ["bomb.jpg", "bomb.txt"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_bombs_are_refused_before_they_fill_the_disk(tmp_path, pack, name):
    """Protects: disk and time. A compression ratio of 1,000, in photos and in skipped members."""
    archive = pack(tmp_path / ("set.zip" if pack is zipped else "set.tgz"), {name: bytes(5_000_000)})
    with pytest.raises(SourceError, match="refused: it unpacks to more than 1 MB"):
        unpack(archive, archive.name, Limits(harmless_bytes=10**6))
    with pytest.raises(SourceError, match="refused: it unpacks"):
        unpack(archive, archive.name, Limits(unpacked_bytes=10**6))


def test_a_wrong_size_in_a_header_is_not_trusted(tmp_path):
    """Protects: the limit applies to the actual size, whatever the zip's directory claims."""
    archive = zipped(tmp_path / "set.zip", {"bomb.jpg": bytes(5_000_000)})
    data = archive.read_bytes()
    archive.write_bytes(data.replace((5_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(SourceError, match=r"unpacks to more|damaged"):
        unpack(archive, "set.zip", Limits(harmless_bytes=10**6))
    assert os.listdir(tmp_path) == ["set.zip"]


def test_too_many_members_are_refused(tmp_path):
    archive = zipped(tmp_path / "set.zip", {f"{number}.jpg": b"x" for number in range(11)})
    with pytest.raises(SourceError, match="more than 10 members"):
        unpack(archive, "set.zip", Limits(members=10))


@pytest.mark.parametrize("name", ["set.zip", "set.tar", "set.tgz"])
def test_damage_is_one_line(tmp_path, jpegs, name):
    """Protects: invalid and truncated archives are reported; no partially unpacked files remain."""
    archive = (zipped if name.endswith("zip") else tarred)(tmp_path / name, jpegs)
    whole = archive.read_bytes()
    for damaged in (b"", b"rubbish" * 100, whole[: len(whole) // 2]):
        archive.write_bytes(damaged)
        with pytest.raises(SourceError, match=rf"archive {name} is damaged \(.*\); replace it") as caught:
            unpack(archive, name)
        assert "\n" not in str(caught.value)
        assert os.listdir(tmp_path) == [name]


def test_an_archive_without_photos_is_an_error(tmp_path):
    archive = zipped(tmp_path / "set.zip", {"readme.txt": b"hello"})
    with pytest.raises(SourceError, match=r"archive set.zip contains no photo"):
        unpack(archive, "set.zip")


@pytest.mark.parametrize("name", ["set.zip", "set.tar"])
def test_patterns_choose_members(tmp_path, jpegs, name):
    files = {
        "train/0.jpg": jpegs["photo-0.jpg"],
        "test/1.jpg": jpegs["photo-1.jpg"],
        "train/notes.txt": b"no",
    }
    archive = (zipped if name.endswith("zip") else tarred)(tmp_path / name, files)
    assert [one.name for one in unpack(archive, name, members=["train/*"])] == [f"{name}/train/0.jpg"]
    assert len(unpack(archive, name, members=["train/*", "*/1.jpg"])) == 2
    with pytest.raises(
        SourceError, match=r"no photo that matches HR/\*, LR/\*: its layout differs, its first photo is 'tr"
    ):
        unpack(archive, name, members=["HR/*", "LR/*"])
