"""Unpacks photos from untrusted archives."""

import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from gzip import BadGzipFile
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from pipeline.errors import SourceError
from pipeline.photos.formats import FORMATS, is_photo, without_doubles
from pipeline.sources.source import PhotoFile

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
CHUNK_BYTES = 2**20
DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, BadGzipFile, zlib.error, lzma.LZMAError, EOFError,
    RuntimeError, NotImplementedError,  # a password, or an unsupported compression
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits against archive bombs. Photos hardly compress; bombs compress more than a thousandfold."""

    members: int = 1_000_000
    unpacked_bytes: int = 500 * 10**9
    ratio: float = 100.0  # unpacked ÷ packed bytes
    harmless_bytes: int = 100 * 10**6  # below this the ratio is not checked


@dataclass(frozen=True, kw_only=True)
class Member:
    name: str
    kind: Literal["file", "folder", "other"]
    size_bytes: int  # according to the header, which may be wrong
    open: Callable[[], IO[bytes] | None]


def is_archive(name: str) -> bool:
    """Tell by the name whether a file is an archive that can be unpacked."""
    return name.lower().endswith(ARCHIVES)


def is_wanted(name: str, members: Sequence[str]) -> bool:
    """Tell whether a file is a photo that matches one of the patterns; without patterns, any photo does."""
    return is_photo(name) and (not members or any(fnmatchcase(name, pattern) for pattern in members))


def unpack(
    archive: Path,
    name: str,
    limits: Limits | None = None,
    members: Sequence[str] = (),
    folder: Path | None = None,
) -> list[PhotoFile]:
    """Unpack the photos of `archive` into `folder`, by default one next to it. Messages call it `name`.

    members: patterns of the photos to take; all photos, if there are none.
    Photos are numbered on disk, so that no member's name is used as a path.
    Raises: SourceError for damaged archives, paths that lead outside, links, devices and bombs.
    """
    folder = folder or archive.with_name(f"{archive.name}.unpacked")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        return _unpack(archive, name, folder, _Budget(archive.stat().st_size, limits or Limits()), members)
    except SourceError as error:
        shutil.rmtree(folder)
        raise SourceError(f"archive {name} {error}") from error
    except DAMAGE as error:
        shutil.rmtree(folder)
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SourceError(f"archive {name} is damaged ({reason}); replace it, then fetch again") from error


def _unpack(
    archive: Path, name: str, folder: Path, budget: "_Budget", members: Sequence[str]
) -> list[PhotoFile]:
    found: list[PhotoFile] = []
    other = ""  # the first photo that no pattern matches
    for member in _members(archive, name):
        _check_member(member)
        budget.spend_member()
        if member.kind == "file" and is_wanted(member.name, members):
            suffix = PurePosixPath(member.name).suffix.lower()
            path = folder / f"{len(found):07d}{suffix}"
            _copy(member, path, budget)
            found.append(PhotoFile(name=f"{name}/{member.name}", path=path))
        else:
            budget.spend_bytes(member.size_bytes)  # skipped members of a tar stream are decompressed as well
            other = other or (member.name if is_photo(member.name) else "")
    if not found and other:
        raise SourceError(
            f"contains no photo that matches {', '.join(members)}: its layout differs, its first photo is"
            f" {other[:200]!r}; correct `members`"
        )
    if not found:
        raise SourceError(f"contains no photo ({', '.join(FORMATS)}); correct the source in params.yaml")
    kept = set(without_doubles(one.name for one in found))
    return sorted((one for one in found if one.name in kept), key=lambda one: one.name)


def _members(archive: Path, name: str) -> Iterator[Member]:
    if name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                yield Member(
                    name=info.filename,
                    kind=_zip_kind(info),
                    size_bytes=info.file_size,
                    open=partial(packed.open, info),
                )
        return
    with tarfile.open(archive) as packed_tar:
        for entry in packed_tar:
            kind: Literal["file", "folder", "other"]
            kind = "file" if entry.isfile() else "folder" if entry.isdir() else "other"
            yield Member(
                name=entry.name, kind=kind, size_bytes=entry.size, open=partial(packed_tar.extractfile, entry)
            )


def _zip_kind(info: zipfile.ZipInfo) -> Literal["file", "folder", "other"]:
    unix_type = stat.S_IFMT(info.external_attr >> 16)  # 0: packed on a system without such types
    if unix_type not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "other"
    return "folder" if info.is_dir() else "file"


def _check_member(member: Member) -> None:
    path = PurePosixPath(member.name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", member.name):
        raise SourceError(f"is refused: {member.name!r} points outside the archive; pack the photos again")
    if member.kind == "other":
        raise SourceError(f"is refused: {member.name!r} is a link or a device; pack only files and folders")


def _copy(member: Member, path: Path, budget: "_Budget") -> None:
    source = member.open()
    assert source is not None, "a regular file can be opened"
    with source, path.open("wb") as file:
        while chunk := source.read(CHUNK_BYTES):
            budget.spend_bytes(len(chunk))  # the actual size, since headers may be wrong
            file.write(chunk)


class _Budget:
    """Counts members and bytes. Raises SourceError beyond the limits."""

    def __init__(self, packed_bytes: int, limits: Limits):
        self._members, self._bytes, self._limits = 0, 0, limits
        by_ratio = max(limits.harmless_bytes, limits.ratio * packed_bytes)
        self._allowed_bytes = min(limits.unpacked_bytes, by_ratio)

    def spend_member(self) -> None:
        self._members += 1
        if self._members > self._limits.members:
            raise SourceError(f"is refused: it has more than {self._limits.members} members; split it")

    def spend_bytes(self, count: int) -> None:
        self._bytes += count
        if self._bytes > self._allowed_bytes:
            raise SourceError(
                f"is refused: it unpacks to more than {self._allowed_bytes / 1e6:.0f} MB, far more than"
                " photos do; if you trust it, unpack it yourself and use a folder source"
            )
