"""Download photos from Flickr for the rater, with their faves, views, authors and licences.

A crawl is a folder: photos/, photos.csv, and crawl.json with its progress. Each file is written atomically.
After a kill the interrupted page is requested again, and only its missing photos are downloaded.
"""

import csv
import hashlib
import io
import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import PhotoError, SourceError
from pipeline.files import write_atomically
from pipeline.logs import Progress
from pipeline.photos.images import decode_photo, write_photo
from pipeline.research.rating.flickr import Flickr, Licences, Listed, list_licences, list_photos, readable
from wespe.rater import shrink

# Address → width and height of Flickr's copies of 1,600 and 2,048 px. An original is never downloaded.
SIZES = {"url_h": ("width_h", "height_h"), "url_k": ("width_k", "height_k")}
ORIGINAL = ("o_width", "o_height")
PHOTOS, TABLE, STATE = "photos", "photos.csv", "crawl.json"


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search for photos. Each search needs its own folder; `photos` may be raised later.

    tags: a photo has at least one of them.
    photos: how many to keep.
    long_side_px, short_side_px: the smallest size at Flickr; 1600 × 1200 in the paper.
    hd_px: photos are reduced to this long side.
    licences: names as in URLs of creativecommons.org; zero and mark are public domain.
    min_age_days: minimum time since the upload at the start of the crawl; new photos have unreliable counts.
    """

    tags: tuple[str, ...]
    photos: int = 16_000
    long_side_px: int = 1600
    short_side_px: int = 1200
    hd_px: int = 1280
    licences: tuple[str, ...] = ("by", "by-sa", "zero", "mark")
    min_age_days: int = 90

    def __post_init__(self) -> None:
        if not 1 <= len(self.tags) <= 20 or not all(re.fullmatch(r"[^,\s]+", tag) for tag in self.tags):
            raise ValueError("tags must be 1 to 20 words without commas and spaces")
        if not self.licences:
            raise ValueError("licences must name at least one, such as by")
        for name in ("photos", "short_side_px", "hd_px"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not max(self.short_side_px, self.hd_px) <= self.long_side_px <= 2048:
            raise ValueError("long_side_px must be at most 2048, and at least short_side_px and hd_px")
        if not 0 <= self.min_age_days <= 3650:
            raise ValueError(f"min_age_days must be from 0 to 3650, not {self.min_age_days}")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of photos.csv."""

    photo: str  # path relative to the CSV
    faves: int
    views: int
    id: str
    title: str
    owner: str
    owner_name: str
    licence_id: str
    licence: str
    licence_url: str
    page_url: str
    uploaded: str  # ISO 8601
    sha256: str  # of the file


@dataclass
class Crawl:
    """A crawl's rows by id, the upload time (unix) that it has reached, and the photos that were left out.

    The time replaces page numbers, which end at 4,000 photos and shift with new uploads.
    """

    folder: Path
    search: Search
    until: int
    rows: dict[str, Row] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        reasons = ", ".join(f"{count} × {reason}" for reason, count in self.left_out.most_common())
        return f"{len(self.rows)} photos in {self.folder / TABLE}; left out: {reasons or 'none'}"

    @property
    def full(self) -> bool:
        return len(self.rows) >= self.search.photos

    def save(self) -> None:
        text = io.StringIO()
        table = csv.DictWriter(text, [field.name for field in fields(Row)], lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(row) for row in self.rows.values())
        write_atomically(self.folder / TABLE, text.getvalue().encode())
        state = {"search": _identity(self.search), "until": self.until, "left_out": self.left_out}
        write_atomically(self.folder / STATE, json.dumps(state, indent=2).encode() + b"\n")


def crawl(search: Search, folder: Path, flickr: Flickr) -> Crawl:
    """Download photos into `folder`, latest first; resume an earlier crawl.

    Raises: SourceError if Flickr does not answer, or `folder` belongs to another search.
    """
    crawled = _opened(search, folder)
    licences = list_licences(flickr, search.licences)
    (folder / PHOTOS).mkdir(parents=True, exist_ok=True)
    crawled.save()
    title = f"crawl {' '.join(search.tags)}"
    progress = Progress(title, search.photos, "photos", start=len(crawled.rows))
    while not crawled.full and (page := list_photos(flickr, search.tags, licences, crawled.until)):
        try:
            _take(page, crawled, licences, flickr, progress)
        finally:  # also after Ctrl-C or an error, so that every photo has its author in the table
            crawled.save()
    if not crawled.full:  # Flickr has no more
        progress.total = progress.done
        progress.update(0)
    return crawled


def _take(
    page: Sequence[Listed], crawled: Crawl, licences: Licences, flickr: Flickr, progress: Progress
) -> None:
    """Keep a page's suitable photos, except those of its last second, which begins the next page."""
    dated = _dated(page, crawled)
    oldest = min(time_s for time_s, _ in dated)
    newer = [listed for time_s, listed in dated if time_s > oldest]
    digests = {row.sha256 for row in crawled.rows.values()}
    for listed in newer or [listed for _, listed in dated]:
        if crawled.full:
            return  # the rest of this page is for a larger crawl
        if str(listed.get("id")) in crawled.rows:
            continue
        try:
            row = _saved(_row(listed, crawled.search, licences), listed, crawled, flickr, digests)
        except PhotoError as error:
            crawled.left_out[str(error).partition(":")[0]] += 1
            continue
        crawled.rows[row.id] = row
        digests.add(row.sha256)
        progress.update()
    crawled.until = oldest if newer else oldest - 1


def _dated(page: Sequence[Listed], crawled: Crawl) -> list[tuple[int, Listed]]:
    """Return each photo with its upload time (unix). Raises SourceError if no time is valid."""
    dated = []
    for listed in page:
        try:
            time_s = _count(listed.get("dateupload"))
        except PhotoError:
            time_s = crawled.until + 1
        if time_s <= crawled.until:
            dated.append((time_s, listed))
        else:
            crawled.left_out["upload time out of range"] += 1
    if not dated:
        raise SourceError("Flickr lists photos without valid upload times; try again later")
    return dated


def _row(listed: Listed, search: Search, licences: Licences) -> dict[str, Any]:
    """Return the table's columns for a listed photo. Raises PhotoError if it does not match the search."""
    id, owner = str(listed.get("id")), str(listed.get("owner"))
    if not re.fullmatch(r"[0-9]{1,20}", id) or not re.fullmatch(r"[0-9]{1,20}@N[0-9]{2}", owner):
        raise PhotoError("invalid id")
    licence = licences.get(str(listed.get("license")))
    if licence is None:
        raise PhotoError("other licence")
    views = _count(listed.get("views"))
    if not views:
        raise PhotoError("never viewed")
    sides = [sorted(_size(listed, *names)) for names in (*SIZES.values(), ORIGINAL)]
    if not any(short >= search.short_side_px and long >= search.long_side_px for short, long in sides):
        raise PhotoError(f"smaller than {search.long_side_px} × {search.short_side_px} px")
    return {
        "photo": f"{PHOTOS}/{id}.jpg",
        "faves": _count(listed.get("count_faves")),
        "views": views,
        "id": id,
        "title": readable(listed.get("title")),
        "owner": owner,
        "owner_name": readable(listed.get("ownername")),
        **licence,
        "page_url": f"https://www.flickr.com/photos/{owner}/{id}/",
        "uploaded": datetime.fromtimestamp(_count(listed.get("dateupload")), UTC).isoformat(),
    }


def _saved(row: dict[str, Any], listed: Listed, crawled: Crawl, flickr: Flickr, digests: set[str]) -> Row:
    """Save its file, unless an interrupted crawl already did. Raises PhotoError."""
    path = crawled.folder / row["photo"]
    if not path.exists():
        write_photo(path, shrink(_downloaded(listed, crawled.search.hd_px, flickr), crawled.search.hd_px))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest in digests:
        path.unlink()
        raise PhotoError("duplicate of another photo")
    return Row(**row, sha256=digest)


def _downloaded(listed: Listed, hd_px: int, flickr: Flickr) -> np.ndarray:
    """Return the smallest HD copy as photo_hwc. Raises PhotoError."""
    for url, names in SIZES.items():
        size = _size(listed, *names)
        if max(size) >= hd_px:
            photo_hwc = decode_photo(flickr.photo(str(listed.get(url))))
            if photo_hwc.shape[1::-1] != size:
                raise PhotoError("size differs from what Flickr reports")
            return photo_hwc
    raise PhotoError("no large copy available")


def _size(listed: Listed, width: str, height: str) -> tuple[int, int]:
    """Return width and height in px; 0 if Flickr offers no such copy."""
    return _count(listed.get(width) or 0), _count(listed.get(height) or 0)


def _count(value: object) -> int:
    """Parse a number, which Flickr writes as a number or as text. Raises PhotoError for anything else."""
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,12}", str(value)):
        raise PhotoError("invalid number")
    return int(str(value))


def _opened(search: Search, folder: Path) -> Crawl:
    """Return a new crawl, or the one in `folder`. Raises SourceError if that cannot be resumed."""
    if not (folder / STATE).exists():
        return Crawl(folder, search, int(time.time()) - search.min_age_days * 86_400)
    try:
        state = json.loads((folder / STATE).read_bytes())
        with open(folder / TABLE, newline="") as table:
            rows = [Row(**_with_counts(line)) for line in csv.DictReader(table)]
        crawled = Crawl(folder, search, int(state["until"]), {row.id: row for row in rows})
        crawled.left_out.update(state["left_out"])
        same = state["search"] == _identity(search)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{folder} contains a damaged crawl ({error}); name another folder") from None
    if not same:
        raise SourceError(f"{folder} contains a crawl for {state['search']}; name another folder")
    return crawled


def _with_counts(line: dict[str, str]) -> dict[str, Any]:
    return {**line, "faves": int(line["faves"]), "views": int(line["views"])}


def _identity(search: Search) -> dict[str, Any]:
    """Return the settings that identify a search, as JSON stores them."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(search).items()
        if name != "photos"
    }
