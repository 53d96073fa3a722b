"""A client of Flickr's public API: rate-limited, with retries; responses are untrusted input."""

import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests

from pipeline.errors import PhotoError, SourceError

API = "https://api.flickr.com/services/rest/"
KEY = "FLICKR_API_KEY"
PHOTO_URL = r"https://([a-z0-9-]+\.)*(static)?flickr\.com/[A-Za-z0-9_./-]+"
TIMEOUT_S = (10, 60)  # to connect; between two chunks
LONGEST_S = 300  # of one answer, however slow, and of a pause that a server requests
ANSWER_BYTES, PHOTO_BYTES = 10_000_000, 20_000_000  # at most; typical ones are a tenth of it
CHUNK_BYTES = 2**16
EXTRAS = "count_faves,views,license,owner_name,date_upload,o_dims,url_h,url_k"
PER_PAGE = 500  # Flickr's maximum
TRANSIENT = {429, 500, 502, 503, 504}
TRANSIENT_CODES = {
    "0",
    "10",
    "105",
    "106",
}  # Flickr's codes for: the service or its search is temporarily unavailable

Result = TypeVar("Result")
Listed = Mapping[str, Any]  # a photo in a search's answer: untrusted, any keys and values
Licences = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Pace:
    """The rate limit. Flickr allows 3,600 calls per hour and key; here, downloads count as calls as well."""

    calls_per_hour: int = 3600
    tries: int = 6
    backoff_s: float = 2.0  # before the second try, doubled before each further one

    def __post_init__(self) -> None:
        if min(self.calls_per_hour, self.tries) < 1 or self.backoff_s < 0:
            raise ValueError("calls_per_hour and tries must be at least 1, backoff_s at least 0")


class Flickr:
    """Calls the API and downloads photos. The key never appears in URLs, errors or files; tests set `api`."""

    def __init__(self, key: str, pace: Pace, api: str = API):
        self._key, self._pace, self._api = key, pace, api
        self._free_at = 0.0  # monotonic seconds
        self._photo_url = re.compile(PHOTO_URL if api == API else rf"{PHOTO_URL}|{_origin(api)}")
        self._session = requests.Session()

    def call(self, method: str, **arguments: object) -> Mapping[str, Any]:
        """Call the API. Raises: SourceError."""
        # In the body, since URLs appear in logs, proxies and exceptions.
        form = {**arguments, "method": method, "api_key": self._key, "format": "json", "nojsoncallback": 1}
        try:
            return self._retried(method, lambda: self._checked(self._answer("POST", self._api, form)))
        except (PhotoError, ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, PhotoError) else "the answer is not JSON"
            raise SourceError(f"Flickr refuses {method}: {reason}; check {KEY} and try again") from None

    def photo(self, url: str) -> bytes:
        """Download one photo. Raises: PhotoError if this one is unavailable, SourceError if Flickr is."""
        if not self._photo_url.fullmatch(url):
            raise PhotoError("not an https address of Flickr")
        return self._retried("photos", lambda: self._answer("GET", url))

    def _retried(self, what: str, ask: Callable[[], Result]) -> Result:
        reason = ""
        for attempt in range(self._pace.tries):
            self._wait(self._pace.backoff_s * 2 ** (attempt - 1) if attempt else 0.0)
            try:
                return ask()
            except _TemporaryError as error:
                reason = str(error)
                self._free_at = max(self._free_at, time.monotonic() + error.pause_s)
            except requests.RequestException as error:  # its text may contain the key
                reason = type(error).__name__
        raise SourceError(
            f"Flickr does not answer for {what} ({reason}); run the same command again to resume"
        )

    def _wait(self, pause_s: float) -> None:
        time.sleep(max(pause_s, self._free_at - time.monotonic(), 0.0))
        self._free_at = time.monotonic() + 3600 / self._pace.calls_per_hour

    def _answer(self, verb: str, url: str, form: Mapping[str, object] | None = None) -> bytes:
        with self._session.request(
            verb, url, data=form, stream=True, allow_redirects=False, timeout=TIMEOUT_S
        ) as answer:
            if answer.status_code in TRANSIENT:
                raise _TemporaryError(
                    f"HTTP {answer.status_code}", _seconds(answer.headers.get("Retry-After", ""))
                )
            if (
                answer.status_code != 200
            ):  # redirects too: they lead to "photo unavailable", or to any other place
                raise PhotoError(f"HTTP {answer.status_code}")
            return _body(answer, ANSWER_BYTES if form else PHOTO_BYTES)

    def _checked(self, data: bytes) -> Mapping[str, Any]:
        answer = json.loads(data)
        if not isinstance(answer, dict):
            raise ValueError
        if answer.get("stat") == "ok":
            return answer
        code, message = (readable(answer.get(name)).replace(self._key, "…") for name in ("code", "message"))
        if code in TRANSIENT_CODES:
            raise _TemporaryError(f"code {code}")
        raise PhotoError(f"{message} (code {code})")


class _TemporaryError(Exception):
    """A temporary server error: retry after the requested pause."""

    def __init__(self, reason: str, pause_s: float = 0.0):
        super().__init__(reason)
        self.pause_s = pause_s


def api_key() -> str:
    """Return the user's key from the environment. Raises: SourceError."""
    key = os.environ.get(KEY, "").strip()
    if not re.fullmatch(r"[0-9A-Za-z]{8,64}", key):
        state = "is not a valid key" if key else "is not set"
        raise SourceError(
            f"{KEY} {state}: get one at https://www.flickr.com/services/apps/create and export it"
        )
    return key


def list_photos(flickr: Flickr, tags: Sequence[str], licences: Licences, until: int) -> list[Listed]:
    """Return photos with any of the tags, uploaded up to `until` (unix), latest first. Raises SourceError."""
    answer = flickr.call(
        "flickr.photos.search",
        tags=",".join(tags),
        license=",".join(licences),
        max_upload_date=until,
        sort="date-posted-desc",
        content_type=1,  # photos, without screenshots and drawings
        media="photos",
        safe_search=1,
        extras=EXTRAS,
        per_page=PER_PAGE,
    )
    try:
        page = answer["photos"]["photo"]
    except (KeyError, TypeError):
        page = None
    if not isinstance(page, list) or not all(isinstance(listed, dict) for listed in page):
        raise SourceError("Flickr's search returned no list of photos; try again later")
    return page


def list_licences(flickr: Flickr, wanted: Sequence[str]) -> Licences:
    """Return licences by Flickr's id, as table columns. Raises SourceError if Flickr has none of them."""
    licences = {}
    try:
        for one in flickr.call("flickr.photos.licenses.getInfo")["licenses"]["license"]:
            short = re.search(r"creativecommons\.org/(?:licenses|publicdomain)/([a-z-]+)/", str(one["url"]))
            if short and short[1] in wanted:
                id, name, url = (readable(one[field]) for field in ("id", "name", "url"))
                licences[id] = {"licence_id": id, "licence": name, "licence_url": url}
    except (KeyError, TypeError):
        raise SourceError("Flickr's list of licences is invalid; try again later") from None
    if not licences:
        raise SourceError(f"Flickr has no licence {' or '.join(wanted)}; known are by, by-sa, zero, mark …")
    return licences


def readable(value: object) -> str:
    """Return untrusted text as one short line, without control characters and spreadsheet formulas."""
    text = "".join(letter for letter in str(value) if letter.isprintable()).strip()[:200]
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _origin(api: str) -> str:
    """Return a pattern of addresses at the host of `api`."""
    parts = urlsplit(api)
    return re.escape(f"{parts.scheme}://{parts.netloc}") + "/[A-Za-z0-9_./-]+"


def _seconds(retry_after: str) -> float:
    return min(float(retry_after), LONGEST_S) if re.fullmatch(r"[0-9]{1,9}", retry_after) else 0.0


def _body(answer: requests.Response, most_bytes: int) -> bytes:
    began, data = time.monotonic(), bytearray()
    for chunk in answer.iter_content(CHUNK_BYTES):
        data += chunk
        if len(data) > most_bytes:
            raise PhotoError(f"more than {most_bytes / 1e6:.0f} MB")
        if time.monotonic() - began > LONGEST_S:
            raise _TemporaryError("too slow")
    return bytes(data)
