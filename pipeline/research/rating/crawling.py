"""A crawl of Flickr for the rater: photos with their faves and views, and what their authors are owed.

It is a folder: photos/, photos.csv, and crawl.json with how far it came. All are written whole. After a kill
the page that was under way is asked for again, and only its missing photos are downloaded.
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

# Address → width and height of Flickr's copies of 1,600 and 2,048 px; an original counts, but is not loaded.
SIZES = {"url_h": ("width_h", "height_h"), "url_k": ("width_k", "height_k")}
ORIGINAL = ("o_width", "o_height")
PHOTOS, TABLE, STATE = "photos", "photos.csv", "crawl.json"


@dataclass(frozen=True, kw_only=True)
class Search:
    """Which photos. Another choice is another crawl, with a folder of its own; `photos` may be raised.

    tags: a photo has at least one of them.
    photos: how many to keep.
    long_side_px, short_side_px: of a photo at Flickr at least; the paper has 1600 × 1200.
    hd_px: photos are shrunk to this long side.
    licences: as the addresses at creativecommons.org name them; zero and mark are the public domain.
    min_age_days: since the upload, as the crawl begins; the counts of a young photo say little.
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
    """A line of photos.csv."""

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
    """A folder's rows by id, the upload time (unix) down to which it came, and what was left out.

    That time takes the place of page numbers: those end at 4,000 photos, and shift as people upload.
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
    """Bring photos into `folder`, the latest first; go on where a crawl was.

    Raises: SourceError when Flickr gives nothing, or `folder` holds another search.
    """
    crawled = _begun(search, folder)
    licences = list_licences(flickr, search.licences)
    (folder / PHOTOS).mkdir(parents=True, exist_ok=True)
    crawled.save()
    title = f"crawl {' '.join(search.tags)}"
    progress = Progress(title, search.photos, "photos", start=len(crawled.rows))
    while not crawled.full and (page := list_photos(flickr, search.tags, licences, crawled.until)):
        try:
            _take(page, crawled, licences, flickr, progress)
        finally:  # also on Ctrl-C and when Flickr fails: no photo without its author
            crawled.save()
    if not crawled.full:  # Flickr has no more
        progress.total = progress.done
        progress.update(0)
    return crawled


def _take(
    page: Sequence[Listed], crawled: Crawl, licences: Licences, flickr: Flickr, progress: Progress
) -> None:
    """Keep what is wanted of a page, all but its last second: that may go on, and begins the next page."""
    dated = _dated(page, crawled)
    oldest = min(time_s for time_s, _ in dated)
    newer = [listed for time_s, listed in dated if time_s > oldest]
    digests = {row.sha256 for row in crawled.rows.values()}
    for listed in newer or [listed for _, listed in dated]:
        if crawled.full:
            return  # the rest of this page is for a crawl that wants more
        if str(listed.get("id")) in crawled.rows:
            continue
        try:
            row = _kept(_row(listed, crawled.search, licences), listed, crawled, flickr, digests)
        except PhotoError as error:
            crawled.left_out[str(error).partition(":")[0]] += 1
            continue
        crawled.rows[row.id] = row
        digests.add(row.sha256)
        progress.update()
    crawled.until = oldest if newer else oldest - 1


def _dated(page: Sequence[Listed], crawled: Crawl) -> list[tuple[int, Listed]]:
    """Each with its time (unix). Raises SourceError if none makes sense."""
    dated = []
    for listed in page:
        try:
            time_s = _count(listed.get("dateupload"))
        except PhotoError:
            time_s = crawled.until + 1
        if time_s <= crawled.until:
            dated.append((time_s, listed))
        else:
            crawled.left_out["a time that was not asked for"] += 1
    if not dated:
        raise SourceError("Flickr lists photos without a time that makes sense; try again later")
    return dated


def _row(listed: Listed, search: Search, licences: Licences) -> dict[str, Any]:
    """Columns of what Flickr lists, its file aside. Raises PhotoError if it is not what was asked for."""
    id, owner = str(listed.get("id")), str(listed.get("owner"))
    if not re.fullmatch(r"[0-9]{1,20}", id) or not re.fullmatch(r"[0-9]{1,20}@N[0-9]{2}", owner):
        raise PhotoError("a strange id")
    licence = licences.get(str(listed.get("license")))
    if licence is None:
        raise PhotoError("another licence")
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


def _kept(row: dict[str, Any], listed: Listed, crawled: Crawl, flickr: Flickr, digests: set[str]) -> Row:
    """Put its file into the folder, unless a killed crawl already did. Raises PhotoError."""
    path = crawled.folder / row["photo"]
    if not path.exists():
        write_photo(path, shrink(_downloaded(listed, crawled.search.hd_px, flickr), crawled.search.hd_px))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest in digests:
        path.unlink()
        raise PhotoError("the same picture as another")
    return Row(**row, sha256=digest)


def _downloaded(listed: Listed, hd_px: int, flickr: Flickr) -> np.ndarray:
    """The smallest copy that is HD, as photo_hwc. Raises PhotoError."""
    for url, names in SIZES.items():
        size = _size(listed, *names)
        if max(size) >= hd_px:
            photo_hwc = decode_photo(flickr.photo(str(listed.get(url))))
            if photo_hwc.shape[1::-1] != size:
                raise PhotoError("of another size than Flickr said")
            return photo_hwc
    raise PhotoError("no large copy to be had")


def _size(listed: Listed, width: str, height: str) -> tuple[int, int]:
    """In px; 0 where Flickr has no such copy for us."""
    return _count(listed.get(width) or 0), _count(listed.get(height) or 0)


def _count(value: object) -> int:
    """Flickr writes numbers as numbers or as text. Raises PhotoError for anything else."""
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,12}", str(value)):
        raise PhotoError("a strange number")
    return int(str(value))


def _begun(search: Search, folder: Path) -> Crawl:
    """A new crawl, or the one in `folder`. Raises SourceError if that cannot be gone on with."""
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
        raise SourceError(f"{folder} holds a damaged crawl ({error}); name another folder") from None
    if not same:
        raise SourceError(f"{folder} holds a crawl for {state['search']}; name another folder")
    return crawled


def _with_counts(line: dict[str, str]) -> dict[str, Any]:
    return {**line, "faves": int(line["faves"]), "views": int(line["views"])}


def _identity(search: Search) -> dict[str, Any]:
    """All that makes a search this one, as JSON has it."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(search).items()
        if name != "photos"
    }
