"""Downloads files over http(s): parallel, resumed, from mirrors if need be, and verified."""

import gzip
import hashlib
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from pipeline.errors import SourceError
from pipeline.sources.archives import Limits
from pipeline.sources.downloads import CHUNK_BYTES, Meter, PartFile, download_all
from pipeline.urls import public_url

TIMEOUT_S = (10, 60)  # for connecting; between two chunks
BODY_TRIES = 3  # attempts per download; each resumes where the last one broke off
GZIP = b"\x1f\x8b"
NOT_MODIFIED, RANGE_NOT_SATISFIABLE = 304, 416
RETRY = Retry(total=4, backoff_factor=0.3, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False)


@dataclass(frozen=True, kw_only=True)
class WebFile:
    """One file on the web. sha256: 64 hex digits, optional; the file must match it.

    mirrors: other addresses of the same file, tried in turn if the first one fails.

    params.yaml and dvc.lock store the URL unchanged: put passwords in ~/.netrc, and use only short-lived
    signed URLs.
    """

    url: str
    sha256: str = ""
    mirrors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for what, url in (("url", self.url), *(("mirrors", mirror) for mirror in self.mirrors)):
            if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
                raise ValueError(f"{what} must begin with http:// or https:// and a host")
            if "@" in urlsplit(url).netloc:
                raise ValueError(
                    f"{what} must not contain a user or password, since dvc.lock would store it; use ~/.netrc"
                )
        if self.sha256 and not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError("sha256 must be 64 hexadecimal digits in lower case")

    @property
    def name(self) -> str:
        return PurePosixPath(unquote(urlsplit(self.url).path)).name


def download_files(files: Sequence[WebFile], workspace: Path, label: str) -> list[Path]:
    """Download files into `workspace`, in parallel; resume and verify them.

    Raises: SourceError, whose message contains no secrets.
    """
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=RETRY, pool_maxsize=16))
        return download_all(label, files, partial(_download, session, workspace))


def _download(session: requests.Session, workspace: Path, file: WebFile, meter: Meter) -> Path:
    """Download a file from its first address that works. Raises SourceError that names every one."""
    failures = []
    for address in (file, *(replace(file, url=mirror, mirrors=[]) for mirror in file.mirrors)):
        try:
            return _download_from(session, workspace, address, file.name, meter)
        except SourceError as error:
            if meter.stopped:
                raise
            failures.append(str(error))
    raise SourceError("; its mirror ".join(failures))


def _download_from(
    session: requests.Session, workspace: Path, file: WebFile, name: str, meter: Meter
) -> Path:
    folder = hashlib.sha256(file.url.encode()).hexdigest()[:16]  # hashed: the URL may contain a secret
    part = PartFile(workspace / folder / f"file{PurePosixPath(name).suffix.lower()}")
    if file.sha256 and part.destination.exists() and sha256_of(part.destination) == file.sha256:
        return part.destination  # complete and verified, no request needed
    for _ in range(BODY_TRIES):
        if _is_whole(session, file, part, meter):
            return part.destination
    raise SourceError(
        f"{public_url(file.url)} broke off after {part.size} bytes; run the same command again to resume"
    )


def _is_whole(session: requests.Session, file: WebFile, part: PartFile, meter: Meter) -> bool:
    """Download the missing part; return whether the file is complete and verified."""
    with _answer(session, file.url, _conditions(part)) as response:
        if response.status_code == NOT_MODIFIED:
            _check_digest(part.destination, part, file)
            return True
        if response.status_code == RANGE_NOT_SATISFIABLE:  # nothing is missing, or the file has changed
            if response.headers.get("Content-Range") != f"bytes */{part.size}":
                part.discard()
                return False
        else:
            _check_status(response, file.url)
            total = _receive(response, part, meter)
            if part.path.stat().st_size != total:
                return False
    _check_content(part, file)
    whole = _decompressed(part, file)
    _check_digest(whole, part, file)
    part.finish(whole)
    return True


def _conditions(part: PartFile) -> dict[str, str]:
    """Return headers that request only the missing part, if the file has not changed on the server."""
    if not part.validator:
        return {}
    if part.destination.exists():
        name = "If-None-Match" if part.validator.startswith('"') else "If-Modified-Since"
        return {name: part.validator}
    return {"Range": f"bytes={part.size}-", "If-Range": part.validator} if part.size else {}


def _answer(session: requests.Session, url: str, conditions: dict[str, str]) -> requests.Response:
    try:
        # In a compressed transfer, sizes and ranges would not refer to the file itself.
        headers = {"Accept-Encoding": "identity", **conditions}
        return session.get(url, headers=headers, stream=True, timeout=TIMEOUT_S)
    except requests.RequestException as error:  # its text may contain a URL with secrets
        reason = type(error).__name__
        raise SourceError(
            f"{public_url(url)} cannot be reached ({reason}); check the address and the network"
        ) from None


def _check_status(response: requests.Response, url: str) -> None:
    if response.status_code in (200, 206):
        return
    remedy = {
        401: "requires a user and password; add the host to ~/.netrc",
        403: "refuses access; check the password, or renew the signed URL",
        404: "does not exist; correct its URL, or add a mirror",
        410: "no longer exists; correct its URL, or add a mirror",
    }.get(response.status_code, "failed on the server; try again later")
    raise SourceError(f"{public_url(url)} {remedy} (HTTP {response.status_code})")


def _receive(response: requests.Response, part: PartFile, meter: Meter) -> int | None:
    """Write the body; return the size of the complete file, None if the body broke off and it is unknown."""
    start = part.size if response.status_code == 206 else 0
    length = response.headers.get("Content-Length")
    chunks = response.raw.stream(CHUNK_BYTES, decode_content=False)
    try:
        part.write(chunks, start, _validator(response), meter)
    except HTTPError:
        return start + int(length) if length else None
    return start + int(length) if length else part.path.stat().st_size


def _validator(response: requests.Response) -> str:
    """Return the strong ETag or the date of this version, '' if there is none."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def _check_content(part: PartFile, file: WebFile) -> None:
    """Reject web pages, which some servers send with status 200 if a login is missing. Raises SourceError."""
    with part.path.open("rb") as content:
        start = content.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        part.discard()
        raise SourceError(
            f"{public_url(file.url)} is a web page, not {file.name}; it may be a login page, or a page about"
            " the file; use the direct link to the file, or add the host to ~/.netrc"
        )


def _decompressed(part: PartFile, file: WebFile) -> Path:
    """Undo gzip compression that some servers apply to the transfer although it was not requested.

    A .tar.gz is only decompressed if it was compressed a second time. Raises SourceError for damaged data.
    """
    path = part.path.with_name(f"{part.path.name}.decompressed")
    limits = Limits()
    most_bytes = int(max(limits.harmless_bytes, limits.ratio * part.path.stat().st_size))
    with part.path.open("rb") as content:
        if content.read(2) != GZIP:
            return part.path
        content.seek(0)
        try:
            with gzip.open(content) as stream, path.open("wb") as whole:
                packed = file.name.lower().endswith((".gz", ".tgz"))
                if packed and stream.peek(2)[:2] != GZIP:  # the file's own compression, not the transfer's
                    return part.path
                _copy(stream, whole, most_bytes)
        except (OSError, EOFError, zlib.error):
            part.discard()
            raise SourceError(
                f"{public_url(file.url)} was damaged in transfer (gzip); run the same command again"
            ) from None
    return path


def _copy(stream: gzip.GzipFile, whole: IO[bytes], most_bytes: int) -> None:
    while chunk := stream.read(CHUNK_BYTES):
        whole.write(chunk)
        if whole.tell() > most_bytes:
            raise EOFError


def _check_digest(path: Path, part: PartFile, file: WebFile) -> None:
    if not file.sha256:
        return
    digest = sha256_of(path)
    if digest != file.sha256:
        part.discard()
        raise SourceError(
            f"{public_url(file.url)} has sha256 {digest}, not {file.sha256};"
            " correct sha256 if the file was replaced on purpose"
        )


def sha256_of(path: Path) -> str:
    """Return the file's SHA-256 in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
