"""Buckets: listed over pages, downloaded whole, resumed, and every refusal in one line with its remedy."""

import os
import signal
import subprocess
import sys
import time

import boto3
import pytest
import requests

from pipeline.errors import SourceError
from pipeline.sources.s3 import S3

LARGE = os.urandom(3_000_000)
FETCH = """
import sys
from pathlib import Path
from pipeline.sources.s3 import S3
list(S3(kind="s3", bucket="photos", endpoint_url=sys.argv[1]).fetch(Path(sys.argv[2]), "fetch test"))
"""


@pytest.fixture
def bucket(endpoint):
    """A client with a bucket `photos`."""
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket="photos")
    return client


def fetch(endpoint, tmp_path, **settings):
    source = S3(**{"kind": "s3", "bucket": "photos", "endpoint_url": endpoint, **settings})
    return list(source.fetch(tmp_path / "downloads", "fetch test"))


def put(client, objects: dict[str, bytes]) -> None:
    for key, data in objects.items():
        client.put_object(Bucket="photos", Key=key, Body=data)


def test_photos_below_the_prefix_arrive(bucket, endpoint, tmp_path, jpegs):
    put(bucket, {f"walk/{name}": data for name, data in jpegs.items()})
    put(bucket, {"walk/notes.txt": b"x", "walk/sub/": b"", "other/a.jpg": b"x"})
    put(bucket, {"walk/../../../evil.jpg": b"evil"})
    found = fetch(endpoint, tmp_path, prefix="walk/")
    assert {one.name: one.path.read_bytes() for one in found} == {
        "walk/../../../evil.jpg": b"evil",
        **{f"walk/{name}": data for name, data in jpegs.items()},
    }
    assert all((tmp_path / "downloads") in one.path.resolve().parents for one in found)


def test_an_object_in_glacier_and_a_folder_marker_stop_nothing(bucket, endpoint, tmp_path, jpegs):
    """Protects: one archived photo among thousands once stopped the whole fetch, with "try again later"."""
    put(bucket, dict(list(jpegs.items())[:3]) | {"folder.jpg/": b""})
    bucket.put_object(Bucket="photos", Key="cold.jpg", Body=b"x", StorageClass="GLACIER")
    found = fetch(endpoint, tmp_path)
    problems = {one.name: one.problem for one in found}
    assert problems.pop("cold.jpg").startswith("is archived (Glacier); restore it")
    assert problems == dict.fromkeys(list(jpegs)[:3], "")


def test_more_than_one_page_is_listed(bucket, endpoint, tmp_path, monkeypatch):
    """Protects: S3 lists a thousand keys a page, this one ten."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    put(bucket, {f"{number:02d}.jpg": b"x" for number in range(25)})
    assert len(bucket.list_objects_v2(Bucket="photos")["Contents"]) == 10
    assert len(fetch(endpoint, tmp_path)) == 25


def test_unsigned_needs_no_credentials(bucket, endpoint, tmp_path, monkeypatch):
    bucket.put_object(Bucket="photos", Key="a.jpg", Body=b"x", ACL="public-read")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    bucket.put_bucket_acl(Bucket="photos", ACL="public-read")
    assert len(fetch(endpoint, tmp_path, unsigned=True)) == 1


def test_no_credentials_is_one_line_and_works_once_they_are_set(bucket, endpoint, tmp_path, monkeypatch):
    put(bucket, {"a.jpg": b"x"})
    with monkeypatch.context() as without:
        without.delenv("AWS_ACCESS_KEY_ID")
        without.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(SourceError, match=r"^s3://photos/ at .* needs credentials.*; set AWS_"):
            fetch(endpoint, tmp_path)
    assert len(fetch(endpoint, tmp_path)) == 1


def test_no_such_bucket_and_empty_prefix(bucket, endpoint, tmp_path):
    with pytest.raises(SourceError, match=r"s3://nowhere/ at .* does not exist; correct source.bucket"):
        fetch(endpoint, tmp_path, bucket="nowhere")
    with pytest.raises(SourceError, match=r"s3://photos/nothing at .* contains no photo .*; correct"):
        fetch(endpoint, tmp_path, prefix="nothing")


def test_wrong_credentials_are_refused_without_showing_them(bucket, endpoint, tmp_path):
    """Protects: secrets. moto checks keys only when told to."""
    requests.post(f"{endpoint}/moto-api/reset-auth", data=b"0", timeout=10)
    try:
        with pytest.raises(SourceError, match=r"refuses access: .*AWS_ACCESS_KEY_ID") as caught:
            fetch(endpoint.replace("http://", "http://anna:passw0rd@"), tmp_path)
    finally:
        requests.post(f"{endpoint}/moto-api/reset-auth", data=b"inf", timeout=10)
    for secret in ("AKIATESTKEY", "s3cret", "passw0rd"):
        assert secret not in str(caught.value)


def test_an_unreachable_endpoint_is_one_line(endpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(SourceError, match=r"127.0.0.1:1 cannot be reached \(EndpointConnectionError\)"):
        fetch("http://127.0.0.1:1", tmp_path)


def test_a_part_is_completed_and_not_fetched_again(bucket, endpoint, tmp_path):
    """Protects: Range and If-Match: existing bytes are kept, only the rest is requested."""
    put(bucket, {"large.jpg": LARGE})
    [found] = fetch(endpoint, tmp_path)
    found.path.with_name(found.path.name + ".part").write_bytes(LARGE[:1_000_000])
    found.path.unlink()
    [found] = fetch(endpoint, tmp_path)
    assert found.path.read_bytes() == LARGE


def test_a_damaged_part_is_noticed_and_thrown_away(bucket, endpoint, tmp_path):
    put(bucket, {"large.jpg": LARGE})
    [found] = fetch(endpoint, tmp_path)
    found.path.with_name(found.path.name + ".part").write_bytes(b"x" * 1_000_000)
    found.path.unlink()
    with pytest.raises(SourceError, match=r"s3://photos/large.jpg .* is damaged \(md5 "):
        fetch(endpoint, tmp_path)
    [found] = fetch(endpoint, tmp_path)
    assert found.path.read_bytes() == LARGE


def test_a_replaced_object_is_another_file(bucket, endpoint, tmp_path):
    """Protects: two versions are never mixed."""
    put(bucket, {"large.jpg": LARGE})
    [found] = fetch(endpoint, tmp_path)
    found.path.rename(found.path.with_name(found.path.name + ".part"))
    put(bucket, {"large.jpg": LARGE[::-1]})
    [found] = fetch(endpoint, tmp_path)
    assert found.path.read_bytes() == LARGE[::-1]


def test_objects_uploaded_in_parts_arrive(bucket, endpoint, tmp_path):
    """Protects: an ETag with a dash is not an MD5."""
    upload = bucket.create_multipart_upload(Bucket="photos", Key="a.jpg")["UploadId"]
    target = {"Bucket": "photos", "Key": "a.jpg", "UploadId": upload}
    bodies = (os.urandom(5 * 2**20), b"end")
    parts = [
        {"PartNumber": number, "ETag": bucket.upload_part(**target, PartNumber=number, Body=body)["ETag"]}
        for number, body in enumerate(bodies, 1)
    ]
    bucket.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
    [found] = fetch(endpoint, tmp_path)
    assert found.path.read_bytes() == b"".join(bodies)


def test_a_killed_process_keeps_what_is_whole(bucket, endpoint, tmp_path):
    """Protects: hours of download. The process really dies by SIGKILL among its objects."""
    put(bucket, {f"{number:03d}.jpg": LARGE[: 300_000 + number] for number in range(30)})
    process = subprocess.Popen([sys.executable, "-c", FETCH, endpoint, str(tmp_path / "downloads")])
    while len(list(tmp_path.rglob("*.jpg"))) < 5:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jpg")}
    found = fetch(endpoint, tmp_path)
    assert [one.path.read_bytes() for one in found] == [LARGE[: 300_000 + number] for number in range(30)]
    assert all(path.stat().st_mtime_ns == at for path, at in kept.items())


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match="without slashes"):
        S3(kind="s3", bucket="photos/walk")
    with pytest.raises(ValueError, match="endpoint_url must begin with http"):
        S3(kind="s3", bucket="photos", endpoint_url="minio.example.org")
