"""A crawl: what it keeps, that it goes on after a kill, and what it refuses."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from pipeline.errors import SourceError
from pipeline.photos.images import read_photo
from pipeline.research.rating.crawling import Crawl, Search, crawl
from pipeline.research.rating.faves import read_table
from pipeline.research.rating.flickr import Flickr, Pace

SIZES = {"long_side_px": 64, "short_side_px": 48, "hd_px": 48}
QUICK = Pace(calls_per_hour=36_000_000, tries=2, backoff_s=0.001)
CRAWL = """
import sys
from pathlib import Path
from pipeline.research.rating.crawling import Search, crawl
from pipeline.research.rating.flickr import Flickr, Pace, api_key
sizes = dict(long_side_px=64, short_side_px=48, hd_px=48)
pace = Pace(calls_per_hour=36_000_000)
crawl(Search(tags=("street",), photos=10, **sizes), Path(sys.argv[1]), Flickr(api_key(), pace, sys.argv[2]))
"""


def bring(server, folder: Path, photos: int = 10, **settings) -> Crawl:
    search = Search(tags=("street",), photos=photos, **(SIZES | settings))
    return crawl(search, folder, Flickr(server.key, QUICK, server.api))


def table(folder: Path) -> list[dict[str, str]]:
    with open(folder / "photos.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_crawl_stores_photos_with_faves_licences_and_authors(flickr_server, tmp_path):
    crawled = bring(flickr_server, tmp_path)
    rows = table(tmp_path)
    assert [row["id"] for row in rows] == [str(1000 + number) for number in range(10)]
    row = rows[3]
    assert (row["photo"], row["faves"], row["views"]) == ("photos/1003.jpg", "3", "103")
    assert (row["owner"], row["owner_name"], row["title"]) == ("12345678@N00", "Anna 3", "Street 3")
    assert (row["licence_id"], row["licence"]) == ("4", "CC BY 2.0")
    assert row["licence_url"] == "https://creativecommons.org/licenses/by/2.0/"
    assert row["page_url"] == "https://www.flickr.com/photos/12345678@N00/1003/"
    assert row["uploaded"].startswith("2017-07-14T02:39:59")
    assert {read_photo(tmp_path / row["photo"]).shape for row in rows} == {(36, 48, 3)}
    assert str(crawled) == f"10 photos in {tmp_path / 'photos.csv'}; left out: none"


def test_a_rater_can_learn_from_what_was_crawled(flickr_server, tmp_path):
    bring(flickr_server, tmp_path)
    lines = read_table(tmp_path / "photos.csv")
    assert [line.faves_per_view for line, _ in lines] == [n / (100 + n) for n in range(10)]
    assert all(line.path.is_file() for line, _ in lines)


def test_pages_go_back_in_time_and_skip_no_photo(flickr_server, tmp_path):
    """Protects: Flickr ends numbered pages at 4,000 photos, and a page may end within a second."""
    flickr_server.page_size = 3
    assert len(bring(flickr_server, tmp_path, photos=100).rows) == 10
    reached = [int(form["max_upload_date"]) for form in flickr_server.searches()]
    assert reached == sorted(set(reached), reverse=True)
    assert "page" not in flickr_server.searches()[1]


def test_a_crawl_continues_if_more_photos_are_requested(flickr_server, tmp_path):
    assert len(bring(flickr_server, tmp_path, photos=5).rows) == 5
    bring(flickr_server, tmp_path)
    assert len(table(tmp_path)) == 10
    assert sorted(flickr_server.asked) == sorted(flickr_server.files)  # each photo once


def test_a_killed_crawl_resumes(flickr_server, tmp_path, monkeypatch):
    """Protects: hours of crawling, and the user's key. The process really dies by SIGKILL in a page."""
    monkeypatch.setenv("FLICKR_API_KEY", flickr_server.key)
    flickr_server.pause_s, flickr_server.page_size = 0.1, 6
    process = subprocess.Popen(
        [sys.executable, "-c", CRAWL, tmp_path, flickr_server.api], stderr=subprocess.PIPE, text=True
    )
    while len(list(tmp_path.glob("photos/*.jpg"))) < 6:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stderr.close()
    assert len(table(tmp_path)) == 4  # of the first page; the second was under way
    there = set(flickr_server.asked)
    flickr_server.pause_s, flickr_server.asked = 0.0, []
    bring(flickr_server, tmp_path)
    assert len({row["id"] for row in table(tmp_path)}) == len(table(tmp_path)) == 10
    assert len(there.intersection(flickr_server.asked)) <= 1  # what was in flight
    for row in table(tmp_path):
        with Image.open(tmp_path / row["photo"]) as photo:
            photo.load()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert flickr_server.key.encode() not in written


def test_a_photo_that_is_gone_is_left_out(flickr_server, tmp_path):
    del flickr_server.files["/2_h.jpg"]
    crawled = bring(flickr_server, tmp_path)
    assert "1002" not in {row["id"] for row in table(tmp_path)}
    assert crawled.left_out == {"HTTP 404": 1}


def test_an_error_within_a_page_keeps_its_rows(flickr_server, tmp_path):
    sent = []
    flickr_server.page_size = 6

    class Breaking(dict):
        def get(self, path):
            sent.append(path)
            if len(sent) == 3:
                flickr_server.statuses = [503] * QUICK.tries
            return super().get(path)

    flickr_server.files = Breaking(flickr_server.files)
    with pytest.raises(SourceError, match="HTTP 503"):
        bring(flickr_server, tmp_path)
    assert [row["id"] for row in table(tmp_path)] == ["1000", "1001"]
    assert len(bring(flickr_server, tmp_path).rows) == 10


def test_hostile_and_unwanted_photos_are_left_out_with_their_reasons(flickr_server, tmp_path):
    """Protects: untrusted paths, hosts and numbers are rejected; the rest of the page is still used."""
    flickr_server.photos[0] |= {"id": "../../escaped"}
    flickr_server.photos[1] |= {"owner": "https://evil.com"}
    flickr_server.photos[2] |= {"license": "0"}
    flickr_server.photos[3] |= {"count_faves": [1]}
    flickr_server.photos[4] |= {"url_h": "https://evil.com/4_h.jpg"}
    flickr_server.photos[5] |= {"width_h": 40, "height_h": 30}
    flickr_server.photos[6] |= {"views": 0}
    flickr_server.photos[7] |= {"ownername": '=HYPERLINK("https://evil.com")\n'}
    flickr_server.files["/8_h.jpg"] = b"MZ not a photo"
    flickr_server.files["/9_h.jpg"] = flickr_server.jpeg(9, (8, 6))
    crawled = bring(flickr_server, tmp_path / "crawl")
    [row] = table(tmp_path / "crawl")
    assert row["owner_name"] == '\'=HYPERLINK("https://evil.com")'
    assert crawled.left_out == {
        "invalid id": 2,
        "other licence": 1,
        "invalid number": 1,
        "not an https address of Flickr": 1,
        "smaller than 64 × 48 px": 1,
        "never viewed": 1,
        "not a JPEG, PNG, TIFF, WebP, AVIF, JPEG XL, HEIF or RAW photo": 1,
        "size differs from what Flickr reports": 1,
    }
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "1007.jpg",
        "crawl.json",
        "photos.csv",
    ]
    assert "1 × never viewed" in str(crawled)


def test_the_same_picture_under_two_ids_is_kept_once(flickr_server, tmp_path):
    flickr_server.files["/5_h.jpg"] = flickr_server.files["/0_h.jpg"]
    assert bring(flickr_server, tmp_path).left_out == {"duplicate of another photo": 1}
    assert len(table(tmp_path)) == len(list(tmp_path.glob("photos/*"))) == 9


def test_a_list_that_never_gets_older_ends(flickr_server, tmp_path):
    for photo in flickr_server.photos:
        photo["dateupload"] = "999999999999"
    flickr_server.search = lambda form: {"stat": "ok", "photos": {"photo": flickr_server.photos}}
    with pytest.raises(SourceError, match="without valid upload times"):
        bring(flickr_server, tmp_path)


def test_recent_photos_are_not_requested(flickr_server, tmp_path):
    bring(flickr_server, tmp_path, min_age_days=30)
    age_s = time.time() - int(flickr_server.searches()[0]["max_upload_date"])
    assert 30 * 86_400 <= age_s < 30 * 86_400 + 60


def test_another_search_needs_another_folder(flickr_server, tmp_path):
    bring(flickr_server, tmp_path, photos=1)
    with pytest.raises(SourceError, match=r"contains a crawl for .*street.*; name another folder"):
        bring(flickr_server, tmp_path, licences=("zero",))
    (tmp_path / "crawl.json").write_text("{")
    with pytest.raises(SourceError, match="damaged crawl"):
        bring(flickr_server, tmp_path)


def test_the_state_file_does_not_contain_the_key(flickr_server, tmp_path):
    bring(flickr_server, tmp_path, photos=1)
    state = json.loads((tmp_path / "crawl.json").read_text())
    assert sorted(state) == ["left_out", "search", "until"]
    assert state["until"] > flickr_server.newest  # the page is not finished


@pytest.mark.parametrize(
    "settings",
    [{"tags": ()}, {"tags": ("two words",)}, {"photos": 0}, {"long_side_px": 4000}, {"licences": ()}],
)
def test_searches_that_cannot_work_are_refused_by_name(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Search(**({"tags": ("street",)} | settings))
