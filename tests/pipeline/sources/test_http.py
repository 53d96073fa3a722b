"""Downloads over http: whole, verified, resumed, and silent about secrets."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile

import pytest

from pipeline.errors import SourceError
from pipeline.sources.http import Http, HttpFile

LARGE = os.urandom(2_000_000)
FETCH = """
import sys
from pathlib import Path
from pipeline.sources.http import Http, HttpFile
list(Http(kind="http", urls=[HttpFile(url=sys.argv[1])]).fetch(Path(sys.argv[2]), "fetch test"))
"""


def fetch(tmp_path, *urls, sha256=""):
    source = Http(kind="http", urls=[HttpFile(url=url, sha256=sha256) for url in urls])
    return list(source.fetch(tmp_path / "downloads", "fetch test"))


def ranges(server) -> list[str]:
    return [request["range"] for request in server.requests if "range" in request]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def part_files(tmp_path) -> list:
    return [path for path in tmp_path.rglob("*.part") if path.stat().st_size]


def test_photos_and_archives_arrive_in_the_order_of_the_list(server, tmp_path, jpegs):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("inside.jpg", jpegs["photo-4.jpg"])
    server.files = {"/" + name: data for name, data in jpegs.items()} | {"/set.zip": file.getvalue()}
    found = fetch(tmp_path, *(f"{server.url}/{name}" for name in (*jpegs, "set.zip")))
    assert [one.name for one in found] == [*jpegs, "set.zip/inside.jpg"]
    assert [one.path.read_bytes() for one in found] == [*jpegs.values(), jpegs["photo-4.jpg"]]
    assert not part_files(tmp_path)


def test_what_a_server_compresses_unasked_arrives_as_it_is(server, tmp_path, jpegs):
    """Protects: "archive is damaged" for sound archives; nginx and others compress whatever they send."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("inside.jpg")
        entry.size = len(jpegs["photo-1.jpg"])
        archive.addfile(entry, io.BytesIO(jpegs["photo-1.jpg"]))
    server.files = {"/a.jpg": jpegs["photo-0.jpg"], "/set.tar.gz": packed.getvalue()}
    server.compressed = True
    urls = [f"{server.url}/a.jpg", f"{server.url}/set.tar.gz"]
    for _ in range(2):  # the second time from the files that are there
        found = fetch(tmp_path, *urls)
        assert [one.path.read_bytes() for one in found] == [jpegs["photo-0.jpg"], jpegs["photo-1.jpg"]]
    pinned = fetch(tmp_path / "pinned", urls[1], sha256=digest(packed.getvalue()))
    assert [one.name for one in pinned] == ["set.tar.gz/inside.jpg"]


def test_a_compressed_transfer_that_breaks_off_is_resumed(server, tmp_path, jpegs):
    server.files, server.compressed, server.cut_after = {"/a.jpg": jpegs["photo-0.jpg"]}, True, 9_000
    [found] = fetch(tmp_path, f"{server.url}/a.jpg")
    assert found.path.read_bytes() == jpegs["photo-0.jpg"]


@pytest.mark.parametrize("name", ["set.zip", "a.jpg"])
def test_a_login_page_is_detected(server, tmp_path, name):
    server.files = {f"/{name}": b"\n<!DOCTYPE html><html>please log in</html>"}
    with pytest.raises(SourceError, match=rf"{name} is a web page, not {name}; .*login page.*netrc"):
        fetch(tmp_path, f"{server.url}/{name}")
    assert not part_files(tmp_path)


def test_a_missing_url_is_named_and_works_once_it_is_there(server, tmp_path, jpegs):
    server.files = {"/a.jpg": jpegs["photo-0.jpg"]}
    urls = (f"{server.url}/a.jpg", f"{server.url}/b.jpg")
    with pytest.raises(SourceError, match=rf"{server.url}/b.jpg does not exist; correct .* \(HTTP 404\)"):
        fetch(tmp_path, *urls)
    server.files["/b.jpg"] = jpegs["photo-1.jpg"]
    assert len(fetch(tmp_path, *urls)) == 2


def test_mirrors_are_tried_in_turn_and_each_failure_is_named(server, tmp_path, jpegs):
    server.files = {"/third/a.jpg": jpegs["photo-0.jpg"], "/second/a.jpg": jpegs["photo-1.jpg"]}
    mirrors = [f"{server.url}/{place}/a.jpg" for place in ("second", "third")]
    right = digest(jpegs["photo-0.jpg"])
    file = HttpFile(url=f"{server.url}/first/a.jpg", sha256=right, mirrors=mirrors)
    source = Http(kind="http", urls=[file])
    [found] = source.fetch(tmp_path / "downloads", "fetch test")
    assert found.path.read_bytes() == jpegs["photo-0.jpg"]
    del server.files["/third/a.jpg"]
    with pytest.raises(SourceError) as caught:
        list(source.fetch(tmp_path / "again", "fetch test"))
    first, second, third = str(caught.value).split("; its mirror ")
    assert "/first/a.jpg does not exist" in first
    assert "/second/a.jpg has sha256" in second
    assert "/third/a.jpg does not exist" in third


def test_one_failed_download_stops_the_others_and_their_mirrors(server, tmp_path):
    """Protects: a typo in one address must not wait for gigabytes from the mirrors of another."""
    server.files, server.chunk_pause_s = {"/large.jpg": LARGE, "/mirror.jpg": LARGE}, 0.05
    large = HttpFile(url=f"{server.url}/large.jpg", mirrors=[f"{server.url}/mirror.jpg"])
    source = Http(kind="http", urls=[large, HttpFile(url=f"{server.url}/gone.jpg")])
    with pytest.raises(SourceError, match=r"gone\.jpg does not exist"):
        list(source.fetch(tmp_path / "downloads", "fetch test"))
    assert "/mirror.jpg" not in [request["path"] for request in server.requests]


def test_a_wrong_checksum_names_both_and_keeps_nothing(server, tmp_path, jpegs):
    server.files = {"/a.jpg": jpegs["photo-0.jpg"]}
    right, wrong = digest(jpegs["photo-0.jpg"]), "0" * 64
    with pytest.raises(SourceError, match=f"a.jpg has sha256 {right}, not {wrong}"):
        fetch(tmp_path, f"{server.url}/a.jpg", sha256=wrong)
    assert not list(tmp_path.rglob("file.jpg*"))
    [found] = fetch(tmp_path, f"{server.url}/a.jpg", sha256=right)
    assert digest(found.path.read_bytes()) == right


def test_a_truncated_download_is_resumed(server, tmp_path):
    """Protects: no half file under a final name; nothing is sent twice."""
    server.files = {"/large.jpg": LARGE}
    server.cut_after = 300_000
    with pytest.raises(SourceError, match=r"large.jpg broke off after 900000 bytes; run .* again"):
        fetch(tmp_path, f"{server.url}/large.jpg")
    assert [path.stat().st_size for path in part_files(tmp_path)] == [900_000]
    assert not list(tmp_path.rglob("file.jpg"))
    server.cut_after = None
    [found] = fetch(tmp_path, f"{server.url}/large.jpg")
    assert found.path.read_bytes() == LARGE
    assert ranges(server) == ["bytes=300000-", "bytes=600000-", "bytes=900000-"]


@pytest.mark.parametrize("with_etag", [True, False])
def test_a_file_that_changed_meanwhile_starts_over(server, tmp_path, with_etag):
    """Protects: two versions are never mixed, with or without a validator."""
    server.files, server.cut_after, server.with_etag = {"/large.jpg": LARGE}, 300_000, with_etag
    with pytest.raises(SourceError, match="broke off"):
        fetch(tmp_path, f"{server.url}/large.jpg")
    server.files, server.cut_after = {"/large.jpg": LARGE[::-1]}, None
    [found] = fetch(tmp_path, f"{server.url}/large.jpg")
    assert found.path.read_bytes() == LARGE[::-1]


def test_a_finished_file_is_kept_until_it_changes(server, tmp_path):
    """Protects: a second try downloads nothing twice, and sees a corrected file."""
    server.files = {"/large.jpg": LARGE}
    fetch(tmp_path, f"{server.url}/large.jpg")
    fetch(tmp_path, f"{server.url}/large.jpg")
    assert "if-none-match" in server.requests[-1]
    server.files = {"/large.jpg": LARGE[::-1]}
    [found] = fetch(tmp_path, f"{server.url}/large.jpg")
    assert found.path.read_bytes() == LARGE[::-1]


def test_a_whole_part_is_not_downloaded_again(server, tmp_path):
    """Protects: a kill between the last byte and the final name costs nothing."""
    server.files = {"/large.jpg": LARGE}
    [found] = fetch(tmp_path, f"{server.url}/large.jpg")
    found.path.rename(found.path.with_name("file.jpg.part"))
    [found] = fetch(tmp_path, f"{server.url}/large.jpg")
    assert found.path.read_bytes() == LARGE
    assert ranges(server) == ["bytes=2000000-"]


def test_a_killed_process_resumes(server, tmp_path):
    """Protects: hours of download. The process really dies by SIGKILL in the middle of the body."""
    server.files, server.chunk_pause_s = {"/large.jpg": LARGE}, 0.05
    url, downloads = f"{server.url}/large.jpg", tmp_path / "downloads"
    process = subprocess.Popen([sys.executable, "-c", FETCH, url, str(downloads)])
    while not any(path.stat().st_size > 400_000 for path in part_files(tmp_path)):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    [part] = part_files(tmp_path)
    size = part.stat().st_size
    server.chunk_pause_s = 0.0
    [found] = fetch(tmp_path, url)
    assert found.path.read_bytes() == LARGE
    assert ranges(server) == [f"bytes={size}-"]


def test_temporary_server_errors_are_retried(server, tmp_path, jpegs):
    server.files, server.failures = {"/a.jpg": jpegs["photo-0.jpg"]}, 2
    assert len(fetch(tmp_path, f"{server.url}/a.jpg")) == 1
    assert len(server.requests) == 3


def test_a_damaged_archive_is_not_kept(server, tmp_path, jpegs):
    """Protects: a rerun works once the server's file has been fixed, even without a validator."""
    server.files = {"/set.zip": b"rubbish"}
    with pytest.raises(SourceError, match=r"archive set.zip is damaged"):
        fetch(tmp_path, f"{server.url}/set.zip")
    assert not list(tmp_path.rglob("file.zip"))


def test_passwords_work_and_are_never_shown(server, tmp_path, jpegs, capfd, monkeypatch):
    """Protects: secrets in ~/.netrc and URLs, in errors of every kind and in progress lines."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login anna password s3cret")
    monkeypatch.setenv("NETRC", str(netrc))
    server.files, server.password = {"/a.jpg": jpegs["photo-0.jpg"]}, "anna:s3cret"
    [found] = fetch(tmp_path, f"{server.url}/a.jpg?signature=t0ken")
    errors = []
    for path in (f"{server.url}/b.jpg", "http://127.0.0.1:1/a.jpg"):
        with pytest.raises(SourceError, match=r"http://127.0.0.1:\d+/[ab].jpg ") as caught:
            fetch(tmp_path, f"{path}?signature=t0ken")
        errors.append(str(caught.value))
    shown = "".join([*errors, *capfd.readouterr(), found.name, str(found.path)])
    assert "s3cret" not in shown
    assert "t0ken" not in shown


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host/a.zip", "begin with http"),
        ("http:///a.zip", "begin with http"),
        ("http://host/a.exe", r"end in \.zip"),
        ("https://anna:s3cret@host/a.zip", r"use ~/\.netrc"),
    ],
)
def test_urls_that_cannot_work_are_refused(url, message):
    with pytest.raises(ValueError, match=message):
        HttpFile(url=url)
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        HttpFile(url="http://host/a.zip", sha256="abc")
    with pytest.raises(ValueError, match="mirrors must begin with http"):
        HttpFile(url="http://host/a.zip", mirrors=["ftp://host/a.zip"])
    with pytest.raises(ValueError, match="members choose photos from an archive"):
        HttpFile(url="http://host/a.jpg", members=["*"])
