"""A store in an S3 bucket, Amazon's or that of the provider in AWS_ENDPOINT_URL."""

import io
import mimetypes
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO

from pipeline.enhancement.stores.store import Store, StoredFile
from pipeline.errors import EnhancementError
from pipeline.s3_client import GONE, code_of, explained, listed, open_client
from pipeline.urls import public_url

IN_MEMORY_BYTES = 64 * 2**20  # larger objects are buffered in a file


class S3Store:
    """Objects below `s3://bucket/prefix/`.

    endpoint_url: for another provider; '' for AWS_ENDPOINT_URL. It is sent to the cluster's nodes with the
        store; credentials are not, so each node needs its own.
    """

    def __init__(self, address: str, endpoint_url: str = ""):
        self.bucket, _, prefix = address.removeprefix("s3://").partition("/")
        if not self.bucket:
            raise EnhancementError(f"{address} has no bucket name; write s3://bucket/prefix/")
        self.prefix = prefix.rstrip("/") + "/" if prefix.strip("/") else ""
        self.address = f"s3://{self.bucket}/{self.prefix}"
        names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        self.endpoint_url = endpoint_url or next(filter(None, map(os.environ.get, names)), "")
        if self.endpoint_url and not self.endpoint_url.startswith(("http://", "https://")):
            raise EnhancementError("AWS_ENDPOINT_URL must begin with http:// or https://; correct it")

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_client"}

    def listing(self) -> Iterator[StoredFile]:
        with self._explained():
            for entry in listed(self._client, self.bucket, self.prefix):
                name = entry["Key"].removeprefix(self.prefix)
                if name and not name.endswith("/"):
                    yield StoredFile(
                        name=name,
                        bytes=entry["Size"],
                        version=entry["ETag"].strip('"'),
                        modified_s=entry["LastModified"].timestamp(),
                    )

    def look(self, name: str) -> StoredFile | None:
        from botocore.exceptions import ClientError

        with self._explained():
            try:
                head = self._client.head_object(Bucket=self.bucket, Key=self.prefix + name)
            except ClientError as error:
                if code_of(error) in GONE:
                    return None
                raise
        return StoredFile(
            name=name,
            bytes=head["ContentLength"],
            version=head["ETag"].strip('"'),
            modified_s=head["LastModified"].timestamp(),
        )

    def open(self, name: str) -> BinaryIO:
        file = SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 the caller closes it
        self._get(name, file)
        file.seek(0)
        return file  # type: ignore[return-value]

    def head(self, name: str, size_bytes: int) -> bytes:
        file = io.BytesIO()
        self._get(name, file, Range=f"bytes=0-{size_bytes - 1}")
        return file.getvalue()

    def write(self, name: str, data: bytes | bytearray, modified_s: float = 0.0) -> str:
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        with self._explained():
            answer = self._client.put_object(
                Bucket=self.bucket, Key=self.prefix + name, Body=bytes(data), ContentType=kind
            )
        return answer["ETag"].strip('"')

    def room(self, size_bytes: int) -> AbstractContextManager[Callable[[], None]]:
        return nullcontext(lambda: None)

    def free_bytes(self) -> int | None:
        return None

    def name_in(self, other: Store) -> str | None:
        same = isinstance(other, S3Store) and other.bucket == self.bucket
        inside = same and self.prefix.startswith(other.prefix)  # type: ignore[attr-defined]
        return self.prefix.removeprefix(other.prefix).rstrip("/") if inside else None  # type: ignore[attr-defined]

    def place(self, name: str) -> str:
        return f"{self.endpoint_url} s3://{self.bucket}/{self.prefix}{name}"

    def _get(self, name: str, file: Any, **wanted: str) -> None:
        with self._explained(name):
            answer = self._client.get_object(Bucket=self.bucket, Key=self.prefix + name, **wanted)
            shutil.copyfileobj(answer["Body"], file)

    @cached_property
    def _client(self) -> Any:
        return open_client(endpoint_url=self.endpoint_url or None)

    def _explained(self, name: str = "") -> AbstractContextManager[None]:
        at = f" at {public_url(self.endpoint_url)}" if self.endpoint_url else ""
        return explained(
            f"{self.address}{name}{at}",
            EnhancementError,
            correct="the address, or AWS_ENDPOINT_URL",
            public="",
            reach="AWS_ENDPOINT_URL and the network",
        )
