"""Large files: beside the manifest or index that lists them, or in the object store of WESPE_STORE.

In a store they are named by their content, so nothing is ever replaced: cameras, branches and people can
share one, and any version of a manifest or index, which DVC keeps, finds its files.

    s3://bucket/prefix/photos/HASH.jpg         and photos/truth/HASH.jpg
    s3://bucket/prefix/shards/SHA256.parquet
    s3://bucket/prefix/runs/CAMERA/RUN         checkpoints, while a training runs

A place is the path of a file on this machine, or its URL in the store. Workers on other machines reach a
store with their own credentials.
"""

import os
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipeline import s3_client
from pipeline.errors import StoreError
from pipeline.files import write_atomically
from pipeline.s3_client import REMEDIES, open_client

if TYPE_CHECKING:  # a tenth of a second to import
    from pyarrow import NativeFile
    from pyarrow.fs import FileSystem

VARIABLE = "WESPE_STORE"
# Without it, pyarrow sends bodies in chunks with a checksum, which some providers refuse, and which a local
# S3 once stored with the chunks' headers. Each body's SHA-256 is signed anyway.
PLAIN_BODIES = {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_required"}
SETTINGS = (
    VARIABLE,
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    *PLAIN_BODIES,
)
TRIES = 6  # per request, with growing pauses: about half a minute of a server that answers 503
# What pyarrow's names of errors mean.
CODES = {
    "ACCESS_DENIED": "refuses access; check the credentials and the bucket's policy",
    "EXPIRED_TOKEN": REMEDIES["ExpiredToken"],
    "INVALID_ACCESS_KEY_ID": REMEDIES["InvalidAccessKeyId"],
    "SIGNATURE_DOES_NOT_MATCH": REMEDIES["SignatureDoesNotMatch"],
    "SLOW_DOWN": REMEDIES["SlowDown"],
    "NO_SUCH_BUCKET": f"its bucket does not exist; create it or correct {VARIABLE}",
    "NETWORK_CONNECTION": "cannot be reached; check AWS_ENDPOINT_URL and the network",
}


def url() -> str:
    """Return the store's URL without a slash at the end, '' if there is none. Raises StoreError."""
    value = os.environ.get(VARIABLE, "").rstrip("/")
    if not value:
        return ""
    parts = urlsplit(value)
    if not parts.scheme or not (parts.netloc or parts.scheme == "file"):
        raise StoreError(f"{VARIABLE}={value} is not a URL; set one such as s3://bucket/prefix, or unset it")
    if parts.username or parts.password or parts.query:
        shown = f"{parts.scheme}://{parts.hostname}{parts.path}"
        raise StoreError(
            f"{VARIABLE} for {shown} must not contain credentials or options; set AWS_ACCESS_KEY_ID,"
            " AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL, or AWS_PROFILE, instead"
        )
    return value


def settings() -> dict[str, str]:
    """Return the environment variables that workers need for the store, without credentials."""
    named = {name: os.environ[name] for name in SETTINGS if os.environ.get(name)}
    return PLAIN_BODIES | named if url() else {}


def place(local: Path, name: str) -> str:
    """Return where a file or folder lies: at `local`, or under `name` in the store. Raises StoreError."""
    return f"{url()}/{name}" if url() else str(local.resolve())


def photo_place(folder: Path, path: str) -> str:
    """Return where a photo lies. folder: that of its manifest. path: as in the manifest."""
    return place(folder / path, f"photos/{path}")


def read(place: str) -> bytes:
    """Return a file's content. Raises FileNotFoundError, StoreError; OSError on this machine."""
    if not is_remote(place):
        return Path(place).read_bytes()
    with open_file(place) as file, explained(place):
        return file.read()


def open_file(place: str) -> "NativeFile":
    """Open a file to read any part of it. Raises FileNotFoundError, StoreError; OSError on this machine."""
    files, path = filesystem(place)
    with explained(place):
        return files.open_input_file(path)


def write(place: str, data: Any) -> None:
    """Write a file; it appears under its name when it is complete. data: bytes, or a buffer.

    Raises StoreError; OSError on this machine.
    """
    if not is_remote(place):
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        return write_atomically(Path(place), data)
    if place.startswith("s3://"):
        bucket, _, key = place.removeprefix("s3://").partition("/")
        with _s3_explained(place):  # in one request, where pyarrow needs seven
            _client().put_object(Bucket=bucket, Key=key, Body=memoryview(data).tobytes())
        return None
    files, path = filesystem(place)
    part = f"{path}.{uuid.uuid4().hex}.part"  # a stream that breaks off would leave what it has sent
    with explained(place):
        files.create_dir(part.rpartition("/")[0], recursive=True)
        with files.open_output_stream(part) as file:
            file.write(data)
        files.move(part, path)
    return None


def sizes(places: Sequence[str]) -> list[int]:
    """Return the size of each file in bytes, -1 for those that do not exist. Raises StoreError."""
    from pyarrow.fs import FileType

    if not places:
        return []
    files, _ = filesystem(places[0])
    with explained(places[0]):
        found = files.get_file_info([filesystem(place)[1] for place in places])
    return [one.size if one.type == FileType.File else -1 for one in found]


def names(place: str) -> list[str]:
    """Return the names of the files in a folder, sorted. Raises StoreError."""
    from pyarrow.fs import FileSelector

    files, path = filesystem(place)
    with explained(place):
        return sorted(one.base_name for one in files.get_file_info(FileSelector(path)) if one.is_file)


def delete_folder(place: str) -> None:
    """Delete a folder if it exists. Raises StoreError."""
    files, path = filesystem(place)
    with explained(place), suppress(FileNotFoundError):
        files.delete_dir(path)


def check() -> None:
    """Check that the store, if there is one, can be written to and read. Raises StoreError."""
    if not url():
        return
    probe = f"{url()}/.wespe-{uuid.uuid4().hex}"
    write(probe, b"WESPE can write here")
    files, path = filesystem(probe)
    with explained(probe):
        read(probe)
        files.delete_file(path)


def filesystem(place: str) -> "tuple[FileSystem, str]":
    """Return pyarrow's file system of a place, and the path in it."""
    from pyarrow.fs import LocalFileSystem

    if not is_remote(place):
        return LocalFileSystem(), place
    scheme, _, path = place.partition("://")
    with explained(place):
        return _opened(scheme, path.partition("/")[0]), path


@contextmanager
def explained(place: str) -> Iterator[None]:
    """Convert pyarrow's errors of a store to StoreError, one line without secrets."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if not is_remote(place):
            raise
        code = re.search(r"AWS Error (\w+)", str(error))
        known = CODES.get(code[1]) if code else None
        reason = known or f"failed ({code[1] if code else str(error).splitlines()[0]}); try again later"
        raise StoreError(f"{place} {reason}") from None


@lru_cache
def _opened(scheme: str, bucket: str) -> "FileSystem":
    """Open a file system; the AWS libraries find credentials where they always do."""
    from pyarrow import fs

    if scheme != "s3":
        return fs.FileSystem.from_uri(f"{scheme}://{bucket}/")[0]
    os.environ.update({name: value for name, value in PLAIN_BODIES.items() if name not in os.environ})
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return fs.S3FileSystem(
        endpoint_override=endpoint,
        region=region or (None if endpoint else fs.resolve_s3_region(bucket)),
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=TRIES),
        connect_timeout=10,
        request_timeout=60,
    )


@lru_cache
def _client() -> Any:
    return open_client()


def _s3_explained(place: str) -> AbstractContextManager[None]:
    return s3_client.explained(
        place, StoreError, correct=VARIABLE, public="", reach="AWS_ENDPOINT_URL and the network"
    )


def is_remote(place: str) -> bool:
    """Tell whether a place is in a store, where a file's content never changes."""
    return "://" in place
