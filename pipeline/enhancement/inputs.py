"""Finds the input photos of a job: from folders, files, patterns, lists of photos and bucket prefixes."""

import csv
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.enhancement.stores import FolderStore, S3Store, Store, StoredFile, open_store
from pipeline.errors import EnhancementError
from pipeline.files import expanded
from pipeline.photos.formats import FORMATS, is_photo

LISTS = (".txt", ".csv", ".parquet")
COLUMN = "photo"  # column of CSV and Parquet lists
WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, kw_only=True)
class InputPhoto:
    """A photo to enhance.

    photo: its path among the results.
    walked: whether it was found by listing a whole folder or prefix.
    """

    store: Store
    stored: StoredFile
    photo: str
    walked: bool


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Photos of one store; `folder` distinguishes them from those of other parts."""

    store: Store
    photos: list[StoredFile]
    folder: str = ""
    walked: bool = False


def find_photos(addresses: Sequence[str]) -> list[InputPhoto]:
    """Return all photos of the addresses, without duplicates. If there are several folders, keep their names.

    A pattern (`**`, `*`, `?`, `[…]`) matches files, or folders with all their content. A list has one photo
    per line, or in the column `photo`; paths are relative to the list's folder.
    Raises EnhancementError if an address does not exist or has no photo.
    """
    parts = [part for address in addresses for part in _parts(address)]
    apart = len(parts) > 1
    found = [
        InputPhoto(
            store=part.store,
            stored=one,
            photo=f"{part.folder}/{one.name}" if apart and part.folder else one.name,
            walked=part.walked,
        )
        for part in parts
        for one in sorted(part.photos, key=lambda one: one.name)
    ]
    # Two patterns may match the same photo.
    return list({one.store.place(one.stored.name): one for one in reversed(found)}.values())[::-1]


def _parts(address: str) -> Iterator[_Part]:
    path = expanded(address)
    if not address.startswith("s3://") and path.is_file():
        if path.suffix.lower() in LISTS:
            yield from _of_list(path)
        else:
            yield _one(open_store(str(path.parent)), path.name)
    elif WILD.search(address) and not path.exists():
        yield _matching(address)
    else:
        yield _below(address)


def _below(address: str) -> _Part:
    """Return all photos of a folder or prefix, or the single object with this name."""
    store = open_store(address)
    photos = [one for one in store.listing() if is_photo(one.name)]
    if not photos and isinstance(store, S3Store) and is_photo(address) and not address.endswith("/"):
        parent, _, name = address.rpartition("/")
        return _one(open_store(parent), name)
    if not photos:
        exists = not isinstance(store, FolderStore) or store.path.is_dir()
        what = (
            f"no photo in or below it; supported are {', '.join(FORMATS)}"
            if exists
            else "no such file or folder"
        )
        raise EnhancementError(
            f"{address}: {what}; name a photo, a folder, a pattern, a list, or s3://bucket/prefix/"
        )
    whole = (
        os.path.abspath(store.path) if isinstance(store, FolderStore) else address
    )  # absolute, since `..` is not a usable name
    return _Part(store=store, photos=photos, folder=PurePosixPath(whole).name, walked=True)


def _one(store: Store, name: str) -> _Part:
    stored = store.look(name)
    if stored is None:
        raise EnhancementError(f"{store.address.rstrip('/')}/{name}: no such photo")
    if not is_photo(name):
        raise EnhancementError(f"{name}: unsupported format; supported are {', '.join(FORMATS)}")
    return _Part(store=store, photos=[stored])


def _matching(address: str) -> _Part:
    fixed = address[: WILD.search(address).start()].rpartition("/")[0]  # type: ignore[union-attr]
    root = fixed or ("/" if address.startswith("/") else ".")
    store, wanted = open_store(root), _pattern(address[len(fixed) :].lstrip("/"))
    photos = [one for one in store.listing() if is_photo(one.name) and wanted.fullmatch(one.name)]
    if not photos:
        raise EnhancementError(f"{address}: no photo matches; ** matches any folders, * matches any name")
    return _Part(store=store, photos=photos)


def _pattern(glob: str) -> re.Pattern[str]:
    """Translate a glob pattern to a regular expression; a matched folder includes all its content."""
    tokens = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?|\[!?[^\]/]+\])", glob.rstrip("/"))

    def translated(piece: str) -> str:
        if piece.startswith("[") and len(piece) > 2:
            return "[" + re.escape(piece[1:-1]).replace("!", "^", 1).replace(r"\-", "-") + "]"
        return tokens.get(piece) or re.escape(piece)

    try:
        return re.compile("".join(map(translated, pieces)) + "(?:/.*)?", re.DOTALL)
    except re.error as error:
        raise EnhancementError(f"{glob}: invalid pattern ({error.msg}); correct the part in […]") from None


def _of_list(path: Path) -> Iterator[_Part]:
    """Yield one part per bucket and one for this machine; missing photos are reported later, one by one."""
    buckets: dict[str, list[str]] = {}
    for name in _listed(path):
        local = not name.startswith("s3://")
        whole = os.path.abspath(path.parent / expanded(name)) if local else name
        buckets.setdefault("" if local else name.split("/")[2], []).append(whole)
    if not buckets:
        raise EnhancementError(f"{path}: the list is empty; write one photo per line")
    for bucket, wholes in buckets.items():
        wholes = [whole.removeprefix("s3://") for whole in wholes]
        # Not os.path.commonpath: in a bucket a//b is not a/b.
        folders = [whole.rpartition("/")[0] + "/" for whole in wholes]
        common = os.path.commonprefix(folders)  # noqa: RUF071
        root = common.rpartition("/")[0].rstrip("/")
        store = open_store(f"s3://{root}" if bucket else root or "/")
        names = dict.fromkeys(whole[len(root) + 1 :] for whole in wholes)
        photos = [store.look(name) or StoredFile(name=name, bytes=0, version="") for name in names]
        yield _Part(store=store, photos=photos, folder=bucket)


def _listed(path: Path) -> list[str]:
    try:
        if path.suffix.lower() == ".parquet":
            names = pq.read_table(path, columns=[COLUMN])[COLUMN].to_pylist()
        elif path.suffix.lower() == ".csv":
            with open(path, newline="", encoding="utf-8-sig") as file:
                names = [row[COLUMN] for row in csv.DictReader(file)]
        else:
            names = path.read_text(encoding="utf-8-sig").splitlines()
    except (KeyError, pa.ArrowException):
        raise EnhancementError(f"{path}: has no column `{COLUMN}` with one photo per row") from None
    except UnicodeDecodeError:
        raise EnhancementError(f"{path}: is not UTF-8 text; write one photo per line") from None
    return [str(name).strip() for name in names if name and str(name).strip()]
