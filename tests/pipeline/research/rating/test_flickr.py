"""Flickr's API as it may behave: slow down, try again, show no key, believe nothing."""

import json
import time

import pytest

from pipeline.errors import PhotoError, SourceError
from pipeline.research.rating import flickr
from pipeline.research.rating.flickr import API, Flickr, Pace, api_key, list_licences, list_photos, readable

QUICK = Pace(calls_per_hour=36_000_000, tries=3, backoff_s=0.001)
LICENCES = {"4": {}}


def client(server, key: str = "", pace: Pace = QUICK) -> Flickr:
    return Flickr(key or server.key, pace, server.api)


def test_a_search_asks_for_what_the_rater_needs(flickr_server):
    page = list_photos(client(flickr_server), ["street", "city"], LICENCES, flickr_server.newest)
    assert [listed["id"] for listed in page] == ["1000", "1001", "1002", "1003"]
    [form] = flickr_server.forms
    assert (form["tags"], form["license"], form["max_upload_date"]) == (
        "street,city",
        "4",
        str(flickr_server.newest),
    )
    assert {"count_faves", "views", "license", "owner_name"} <= set(form["extras"].split(","))


def test_licences_are_chosen_by_what_they_are(flickr_server):
    found = list_licences(client(flickr_server), ["by", "zero"])
    assert {id: columns["licence"] for id, columns in found.items()} == {"4": "CC BY 2.0", "9": "CC0 1.0"}
    with pytest.raises(SourceError, match="no licence gpl; known are by"):
        list_licences(client(flickr_server), ["gpl"])


def test_the_key_is_in_no_address_header_or_error(flickr_server):
    """Protects: logs and proxies store URLs; Flickr's error message repeats the key."""
    secret, errors = "feedfacefeedface", []
    with pytest.raises(SourceError, match=r"Invalid API Key … \(code 100\); check FLICKR_API_KEY") as caught:
        list_photos(client(flickr_server, secret), ["street"], LICENCES, flickr_server.newest)
    errors.append(caught)
    flickr_server.statuses = [500, 500, 500, 403]
    for _ in range(2):
        with pytest.raises(SourceError) as caught:
            list_photos(client(flickr_server, secret), ["street"], LICENCES, flickr_server.newest)
        errors.append(caught)
    with pytest.raises(SourceError, match="ConnectionError") as caught:
        Flickr(secret, QUICK, "http://127.0.0.1:1/").call("flickr.photos.search")
    shown = "".join(str(caught.getrepr(chain=True)) for caught in [*errors, caught])
    assert secret in flickr_server.forms[0]["api_key"]  # else this test would protect nothing
    assert secret not in shown.replace(f'"{secret}"', "")  # this file's own source line
    assert secret not in "".join(flickr_server.heads)
    assert secret not in repr(vars(Flickr)) + repr(client(flickr_server, secret))


def test_temporary_errors_are_retried(flickr_server):
    flickr_server.statuses = [503, 429]
    assert list_photos(client(flickr_server), ["street"], LICENCES, flickr_server.newest)
    flickr_server.answers = [json.dumps({"stat": "fail", "code": 105, "message": "busy"}).encode()]
    assert list_photos(client(flickr_server), ["street"], LICENCES, flickr_server.newest)
    assert len(flickr_server.forms) == 5


def test_permanent_errors_are_reported_with_a_remedy(flickr_server):
    flickr_server.statuses = [503] * 3
    with pytest.raises(
        SourceError, match=r"does not answer for photos \(HTTP 503\); run the same command again to resume"
    ):
        client(flickr_server).photo(f"{flickr_server.url}/0_h.jpg")
    assert len(flickr_server.heads) == QUICK.tries


def test_pauses_grow_and_a_server_may_ask_for_longer_ones(flickr_server):
    flickr_server.statuses = [503, 503]
    began = time.monotonic()
    client(flickr_server, pace=Pace(calls_per_hour=36_000_000, backoff_s=0.05)).photo(
        f"{flickr_server.url}/0_h.jpg"
    )
    assert time.monotonic() - began > 0.15  # 0.05 + 0.1
    flickr_server.statuses, flickr_server.retry_after = [429], "1"
    began = time.monotonic()
    client(flickr_server).photo(f"{flickr_server.url}/0_h.jpg")
    assert 1 <= time.monotonic() - began < 5


def test_an_excessive_pause_is_not_accepted(flickr_server, monkeypatch):
    monkeypatch.setattr(flickr, "LONGEST_S", 0.05)
    flickr_server.statuses, flickr_server.retry_after = [429], "999999999"
    began = time.monotonic()
    client(flickr_server).photo(f"{flickr_server.url}/0_h.jpg")
    assert time.monotonic() - began < 5


def test_calls_and_photos_together_keep_the_pace(flickr_server):
    """Protects: the user's key, which Flickr would block; 36,000 an hour are ten a second."""
    asking = client(flickr_server, pace=Pace(calls_per_hour=36_000))
    began = time.monotonic()
    for _ in range(3):
        asking.photo(f"{flickr_server.url}/0_h.jpg")
        list_photos(asking, ["street"], LICENCES, flickr_server.newest)
    assert time.monotonic() - began >= 0.5


@pytest.mark.parametrize(
    "url",
    [
        "http://live.staticflickr.com/1.jpg",
        "https://evil.com/1.jpg",
        "https://evilflickr.com/1.jpg",
        "https://live.staticflickr.com.evil.com/1.jpg",
        "https://live.staticflickr.com@evil.com/1.jpg",
        "https://evil.com\\@live.staticflickr.com/1.jpg",
        "https://live.staticflickr.com:8080/1.jpg",
        "https://live.staticflickr.com/1.jpg?key=1",
        "file:///etc/passwd",
        "http://127.0.0.1:1/1.jpg",
        "None",
        "",
    ],
)
def test_only_https_hosts_of_flickr_are_asked(url, flickr_server):
    with pytest.raises(PhotoError, match="not an https address of Flickr"):
        Flickr(flickr_server.key, QUICK).photo(url)
    if url != "https://live.staticflickr.com/1.jpg":
        with pytest.raises(PhotoError, match="not an https address"):
            client(flickr_server).photo(url)


def test_flickrs_own_hosts_pass(flickr_server):
    for url in (
        API,
        "https://live.staticflickr.com/65535/1_a-b_h.jpg",
        "https://farm1.staticflickr.com/1.jpg",
    ):
        assert Flickr(flickr_server.key, QUICK)._photo_url.fullmatch(url)


def test_redirects_are_not_followed(flickr_server):
    """Protects: the placeholder "photo unavailable" is not stored, and no other host is contacted."""
    flickr_server.statuses = [302]
    with pytest.raises(PhotoError, match="HTTP 302"):
        client(flickr_server).photo(f"{flickr_server.url}/1_h.jpg")
    flickr_server.statuses = [302]
    with pytest.raises(SourceError, match="HTTP 302"):
        list_photos(client(flickr_server), ["street"], LICENCES, flickr_server.newest)
    assert flickr_server.asked == ["/1_h.jpg"]


def test_what_is_too_large_is_not_read_to_its_end(flickr_server, monkeypatch):
    monkeypatch.setattr(flickr, "PHOTO_BYTES", 1000)
    flickr_server.files["/0_h.jpg"] = bytes(5_000_000)
    with pytest.raises(PhotoError, match="more than 0 MB"):
        client(flickr_server).photo(f"{flickr_server.url}/0_h.jpg")


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"stat": "ok"}',
        b'{"stat": "ok", "photos": []}',
        b'{"stat": "ok", "photos": {"photo": [1]}}',
        b'{"stat": "fail", "code": {}, "message": ["\\u001b[2J"]}',
    ],
)
def test_invalid_answers_are_reported_in_one_line(answer, flickr_server):
    flickr_server.answers = [answer]
    with pytest.raises(SourceError, match=r"^Flickr('s search returned no list| refuses flickr\.)") as caught:
        list_photos(client(flickr_server), ["street"], LICENCES, flickr_server.newest)
    assert str(caught.value).isprintable()


def test_untrusted_texts_are_sanitised():
    assert readable("Anna\n\x1b[2J\ud800 B") == "Anna[2J B"
    assert readable("=HYPERLINK(1)") == "'=HYPERLINK(1)"
    assert len(readable("a" * 10_000)) == 200


def test_the_key_comes_from_the_environment(flickr_server, monkeypatch):
    monkeypatch.setenv("FLICKR_API_KEY", f" {flickr_server.key}\n")
    assert api_key() == flickr_server.key
    for wrong in ("", "secret with spaces"):
        monkeypatch.setenv("FLICKR_API_KEY", wrong)
        with pytest.raises(
            SourceError, match=r"FLICKR_API_KEY is not (set|a valid key): get one at https"
        ) as caught:
            api_key()
        assert not wrong or wrong not in str(caught.value)
