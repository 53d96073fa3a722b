"""Large files in an object store: a real S3 on this machine, which fails as real ones do."""

import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import boto3
import pytest
import requests

from pipeline import store
from pipeline.errors import StoreError

PREFIX = "team/wespe"


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, as WESPE_STORE names it."""
    forget_clients()
    name = f"bucket-{uuid.uuid4().hex}"
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket=name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("WESPE_STORE", f"s3://{name}/{PREFIX}/")
    return name


def forget_clients() -> None:
    """Let the next request find endpoint and credentials anew; a process has the same all its life."""
    store._client.cache_clear()
    store._opened.cache_clear()


def keys(endpoint: str, bucket: str) -> list[str]:
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    return [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket).get("Contents", ())]


def test_without_a_store_files_lie_where_they_always_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WESPE_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    place = store.photo_place(Path("data/photos"), "ab.jpg")
    assert place == str(tmp_path / "data/photos/ab.jpg")
    store.write(place, b"pixels")
    assert Path("data/photos/ab.jpg").read_bytes() == store.read(place) == b"pixels"
    assert store.sizes([place, str(tmp_path / "none")]) == [6, -1]
    store.check()
    store.delete_folder(str(tmp_path / "none"))


def test_in_a_store_files_are_written_read_listed_and_deleted(bucket: str, endpoint: str) -> None:
    place = store.photo_place(Path("data/photos"), "ab.jpg")
    assert place == f"s3://{bucket}/{PREFIX}/photos/ab.jpg"
    store.write(place, b"pixels")
    assert keys(endpoint, bucket) == [f"{PREFIX}/photos/ab.jpg"]  # and no unfinished one
    assert store.read(place) == b"pixels"
    assert store.sizes([place, place + "x"]) == [6, -1]
    assert store.names(place.rpartition("/")[0]) == ["ab.jpg"]
    with store.open_file(place) as file:
        file.seek(2)
        assert file.read(2) == b"xe"
    store.check()
    store.delete_folder(place.rpartition("/")[0])
    with pytest.raises(FileNotFoundError):
        store.read(place)


def test_a_folder_that_machines_share_may_be_the_store(tmp_path: Path, monkeypatch) -> None:
    """Protects: other file systems of pyarrow than S3, whose files are written in parts and then renamed."""
    monkeypatch.setenv("WESPE_STORE", f"file://{tmp_path}/shared")
    place = store.photo_place(Path("data/photos"), "truth/ab.jpg")
    store.write(place, b"pixels")
    assert (tmp_path / "shared/photos/truth/ab.jpg").read_bytes() == store.read(place) == b"pixels"
    assert store.sizes([place]) == [6]
    assert store.names(place.rpartition("/")[0]) == ["ab.jpg"]
    store.check()
    assert [file.name for file in (tmp_path / "shared").iterdir()] == ["photos"]


def test_a_bucket_that_does_not_exist_is_one_line(endpoint: str, bucket: str, monkeypatch) -> None:
    monkeypatch.setenv("WESPE_STORE", "s3://nothing-here/x")
    with pytest.raises(StoreError, match=r"^s3://nothing-here/x/\S+ does not exist; correct WESPE_STORE"):
        store.check()


def test_credentials_that_may_read_but_not_write_are_one_line(
    endpoint: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = boto3.client("iam", endpoint_url=endpoint, region_name="us-east-1")
    client.create_user(UserName="reader")
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"],'
    client.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=policy + '"Resource": "*"}]}')
    keys_of = client.create_access_key(UserName="reader")["AccessKey"]
    requests.post(f"{endpoint}/moto-api/reset-auth", data=b"0", timeout=10)
    try:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys_of["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys_of["SecretAccessKey"])
        forget_clients()
        with pytest.raises(StoreError, match="refuses access; check the credentials") as refused:
            store.check()
        assert keys_of["SecretAccessKey"] not in str(refused.value)
    finally:
        requests.post(f"{endpoint}/moto-api/reset-auth", data=b"inf", timeout=10)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("/mnt/photos", "is not a URL; set one such as s3://bucket/prefix, or unset it"),
        ("s3:bucket", "is not a URL"),
        ("s3://AKIA:s3cret@bucket/x", "for s3://bucket/x must not contain credentials or options"),
        ("s3://bucket/x?access_key=s3cret", "must not contain credentials or options"),
    ],
)
def test_an_invalid_store_is_one_line_without_its_secret(value: str, message: str, monkeypatch) -> None:
    monkeypatch.setenv("WESPE_STORE", value)
    with pytest.raises(StoreError) as refused:
        store.place(Path("x"), "x")
    assert message in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_workers_elsewhere_learn_the_store_but_no_credentials(bucket: str, endpoint: str) -> None:
    assert store.settings() == {
        "WESPE_STORE": f"s3://{bucket}/{PREFIX}/",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    }


class Moody(BaseHTTPRequestHandler):
    """Passes requests on, but every second one gets 503, 500, or no answer at all."""

    target = ""
    asked = 0

    def _pass_on(self) -> None:
        type(self).asked += 1
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.asked % 2:
            mood = self.asked % 6
            if mood == 5:
                self.close_connection = True
                return
            self.send_response(503 if mood == 1 else 500)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        answer = requests.request(
            self.command, self.target + self.path, data=body, headers=dict(self.headers), timeout=60
        )
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in ("transfer-encoding", "content-length", "connection", "server", "date"):
                self.send_header(name, value)
        length = answer.headers.get("Content-Length") if self.command == "HEAD" else len(answer.content)
        self.send_header("Content-Length", str(length or 0))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def moody(endpoint: str) -> Iterator[str]:
    handler = type("MoodyHere", (Moody,), {"target": endpoint, "protocol_version": "HTTP/1.1"})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_a_server_that_fails_now_and_then_loses_nothing(
    bucket: str, endpoint: str, moody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moody)
    forget_clients()
    data = {f"photos/{number}.jpg": bytes([number]) * 1000 * (number + 1) for number in range(5)}
    for name, content in data.items():
        store.write(store.place(Path(name), name), content)
    assert keys(endpoint, bucket) == [f"{PREFIX}/{name}" for name in data]
    assert [store.read(store.place(Path(name), name)) for name in data] == list(data.values())
