"""Photos from an S3 bucket, Amazon's or another provider's; downloads are parallel, resumed and verified."""

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pipeline.errors import SourceError
from pipeline.photos.formats import FORMATS, is_photo, without_doubles
from pipeline.s3_client import AT_ONCE, OBJECT_PROBLEMS, START_OVER, code_of, explained, listed, open_client
from pipeline.sources.downloads import CHUNK_BYTES, Meter, PartFile, download_all
from pipeline.sources.source import PhotoFile
from pipeline.urls import public_url

BODY_TRIES = 3  # attempts per object whose download breaks off, or that is replaced meanwhile


@dataclass(frozen=True, kw_only=True)
class S3:
    """All photos below a prefix. boto3 finds the credentials; with `unsigned`, none are needed."""

    kind: Literal["s3"]
    bucket: str
    prefix: str = ""
    endpoint_url: str | None = None  # for other providers, such as https://minio.example.org
    region: str | None = None
    unsigned: bool = False  # for public buckets

    def __post_init__(self) -> None:
        if not self.bucket or "/" in self.bucket:
            raise ValueError("bucket must be a name without slashes; the rest belongs in prefix")
        if self.endpoint_url is not None and not self.endpoint_url.startswith(("http://", "https://")):
            raise ValueError("endpoint_url must begin with http:// or https://")

    def fetch(self, workspace: Path, label: str) -> Iterator[PhotoFile]:
        """List the photos below the prefix, then download them. Raises: SourceError."""
        with _explained(self):
            client = open_client(endpoint_url=self.endpoint_url, region=self.region, unsigned=self.unsigned)
            objects = list(_objects(client, self))
            if not objects:
                kinds = ", ".join(FORMATS)
                raise SourceError(f"{_shown(self)} contains no photo ({kinds}); correct source.prefix")
            yield from download_all(label, objects, partial(_photo, client, self, workspace), AT_ONCE)


@dataclass(frozen=True, kw_only=True)
class _Object:
    key: str
    size_bytes: int
    etag: str


def _objects(client: Any, source: S3) -> Iterator[_Object]:
    """List the photos below the prefix, sorted by key."""
    entries = {entry["Key"]: entry for entry in listed(client, source.bucket, source.prefix)}
    for key in without_doubles(filter(is_photo, entries)):
        yield _Object(key=key, size_bytes=entries[key]["Size"], etag=entries[key]["ETag"])


def _photo(client: Any, source: S3, workspace: Path, one: _Object, meter: Meter) -> PhotoFile:
    """Download one object; an unavailable object does not stop the others."""
    from botocore.exceptions import ClientError

    try:
        return PhotoFile(name=one.key, path=_download(client, source, workspace, one, meter))
    except ClientError as error:
        if (problem := OBJECT_PROBLEMS.get(code_of(error))) is None:
            raise
        return PhotoFile(name=one.key, path=workspace / _local_name(one), problem=problem)


def _download(client: Any, source: S3, workspace: Path, one: _Object, meter: Meter) -> Path:
    for _ in range(BODY_TRIES):
        part = PartFile(workspace / _local_name(one))
        if part.destination.exists() or _is_whole(client, source, one, part, meter):
            return part.destination
        one = _looked_up(client, source, one.key)
    raise SourceError(
        f"{_shown(source, one.key)} broke off after {part.size} of {one.size_bytes} bytes;"
        " run the same command again to resume"
    )


def _local_name(one: _Object) -> str:
    """Return a file name for this version of the object; another version gets another name."""
    version = hashlib.sha256(f"{one.key}\n{one.etag}".encode()).hexdigest()[:32]
    return version + PurePosixPath(one.key).suffix.lower()


def _is_whole(client: Any, source: S3, one: _Object, part: PartFile, meter: Meter) -> bool:
    """Download the missing part; return whether the object is complete and verified."""
    from botocore.exceptions import BotoCoreError, ClientError

    wanted = {"Range": f"bytes={part.size}-"} if part.size else {}
    try:
        answer = client.get_object(Bucket=source.bucket, Key=one.key, IfMatch=one.etag, **wanted)
    except ClientError as error:
        if code_of(error) not in START_OVER:
            raise
        part.discard()
        return False
    try:
        part.write(answer["Body"].iter_chunks(CHUNK_BYTES), part.size, one.etag, meter)
    except BotoCoreError:  # the body broke off; the downloaded part is kept
        return False
    if part.size != one.size_bytes:
        return False
    _check_digest(answer, source, one, part)
    part.finish()
    return True


def _check_digest(answer: dict[str, Any], source: S3, one: _Object, part: PartFile) -> None:
    """Compare with the ETag if it is an MD5: for objects uploaded in one part without a customer's key."""
    etag = one.etag.strip('"')
    foreign_key = answer.get("ServerSideEncryption", "AES256") != "AES256" or "SSECustomerAlgorithm" in answer
    if "-" in etag or foreign_key:
        return
    with part.path.open("rb") as content:
        digest = hashlib.file_digest(content, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
    if digest != etag:
        part.discard()
        raise SourceError(f"{_shown(source, one.key)} is damaged (md5 {digest}, not {etag}); fetch again")


def _looked_up(client: Any, source: S3, key: str) -> _Object:
    head = client.head_object(Bucket=source.bucket, Key=key)
    return _Object(key=key, size_bytes=head["ContentLength"], etag=head["ETag"])


def _explained(source: S3) -> AbstractContextManager[None]:
    return explained(
        _shown(source),
        SourceError,
        correct="source.bucket, prefix or endpoint_url in params.yaml",
        public="`unsigned: true`",
        reach="source.endpoint_url and the network",
    )


def _shown(source: S3, key: str = "") -> str:
    at = f" at {public_url(source.endpoint_url)}" if source.endpoint_url else ""
    return f"s3://{source.bucket}/{key or source.prefix}{at}"
