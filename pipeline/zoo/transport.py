"""Reads files over https, from a folder, or from a web server on this machine."""

import http.client
import io
import time
import urllib.error
import urllib.request
from contextlib import closing
from typing import IO, Any
from urllib.parse import urlsplit

from pipeline.errors import ZooError
from pipeline.files import expanded
from pipeline.logs import Progress
from pipeline.models.card import printable
from pipeline.urls import public_url

LOOPBACK = ("localhost", "127.0.0.1", "::1")
CHUNK_BYTES, TIMEOUT_S, QUIET_S = 2**16, 30, 2


def read_file(address: str, name: str, most_bytes: int) -> bytes:
    """Read a file of at most this size. Raises ZooError."""
    where = f"{address}/{name}"
    try:
        with closing(_open(address, name)) as file:
            return _limited(file, most_bytes, where)
    except urllib.error.HTTPError as error:
        error.close()
        missing = error.code in (404, 410)
        advice = "check the address" if missing else "try again later"
        raise ZooError(f"{where}: the server answers {error.code}; {advice}") from None
    except (FileNotFoundError, NotADirectoryError):
        raise ZooError(f"{where} does not exist; check the address of the zoo") from None
    except (OSError, http.client.HTTPException) as error:  # URLError and TimeoutError are OSErrors
        reason = printable(str(getattr(error, "reason", "") or error)) or type(error).__name__
        raise ZooError(f"{where} cannot be read ({reason}); try again later") from None


def _open(address: str, name: str) -> IO[bytes]:
    if "://" not in address:
        return (expanded(address) / name).open("rb")
    return _opener(address).open(f"{address}/{name}", timeout=TIMEOUT_S)


def require_safe(url: str) -> None:
    """Raise ZooError unless nobody on the way can change or read what this address sends."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise ZooError("the address of the zoo is invalid; write https://host/path") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ZooError(f"{public_url(url)}: write the address without a user, password, ? or #")
    if not (parts.scheme == "https" and host) and not (parts.scheme == "http" and host in LOOPBACK):
        raise ZooError(
            f"{public_url(url)} is refused: a zoo's address begins with https:// (http:// only on this "
            "machine), or is a folder"
        )


def _limited(file: IO[bytes], most_bytes: int, where: str) -> bytes:
    """Read until the end, with progress after QUIET_S. Raises ZooError beyond `most_bytes`."""
    data, began, progress = io.BytesIO(), time.monotonic(), None
    while chunk := file.read(min(CHUNK_BYTES, most_bytes + 1 - data.tell())):
        data.write(chunk)
        if data.tell() > most_bytes:
            raise ZooError(f"{where} is refused: it is larger than {most_bytes:,} bytes; try again later")
        if progress:
            progress.update(len(chunk) // 1_000)
        elif time.monotonic() - began > QUIET_S:
            title = f"download {where.rpartition('/')[2]}"
            total = data.tell() + (getattr(file, "length", 0) or 0)
            progress = Progress(title, total // 1_000, "kB", start=data.tell() // 1_000)
    if getattr(file, "length", 0):  # what http.client still expects
        raise ZooError(f"{where} ends after {data.tell():,} bytes, too early; try again later")
    return data.getvalue()


def _opener(address: str) -> urllib.request.OpenerDirector:
    """Return an opener whose redirects are checked; this machine's own server needs no proxy."""
    local = urlsplit(address).hostname in LOOPBACK
    proxies = [urllib.request.ProxyHandler({})] if local else []
    return urllib.request.build_opener(_SafeRedirects, *proxies)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to an address that is as safe as the one before."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        safe = after.scheme == "https" or (
            before.scheme == after.scheme == "http" and after.hostname in LOOPBACK
        )
        if not safe:
            target = printable(public_url(newurl))
            raise ZooError(f"{public_url(req.full_url)} is refused: it redirects to {target}, not https://")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
