"""Reads a model's files from a folder or an untrusted archive, whose names are never used as paths."""

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from gzip import BadGzipFile
from pathlib import Path, PurePosixPath
from typing import IO, Any

from pipeline.errors import CheckpointError
from pipeline.models.package import MOST_BYTES, NEEDED

ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar")
DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, BadGzipFile, zlib.error, lzma.LZMAError, EOFError,
    RuntimeError, NotImplementedError,
)  # fmt: skip


def read_model_files(source: Path) -> dict[str, bytes]:
    """Return name → content of a model's files. Raises CheckpointError."""
    return _unpacked(source) if source.is_file() else _read(source)


def model_name(source: Path) -> str:
    """Return the name of a folder, or of an archive without its ending."""
    name = source.resolve().name
    suffix = next((end for end in ARCHIVES if name.lower().endswith(end)), "")
    return name[: len(name) - len(suffix)] if suffix and source.is_file() else name


def _read(folder: Path) -> dict[str, bytes]:
    try:
        there = [file for file in MOST_BYTES if file in NEEDED or (folder / file).is_file()]
        return {file: _bytes((folder / file).open("rb"), file) for file in there}
    except OSError as error:
        raise CheckpointError(
            f"{folder} is not a model: {error.filename}: {error.strerror}; a model is a folder or archive "
            f"with {' and '.join(NEEDED)}"
        ) from None
    except CheckpointError as error:
        raise CheckpointError(f"{folder} {error}") from None


def _unpacked(archive: Path) -> dict[str, bytes]:
    try:
        if archive.name.lower().endswith(".zip"):
            with zipfile.ZipFile(archive) as packed:
                infos = {info.filename: info for info in packed.infolist() if not info.is_dir()}
                return {file: _bytes(packed.open(infos[name]), file) for file, name in _chosen(infos)}
        with tarfile.open(archive) as packed_tar:
            members = {entry.name: entry for entry in packed_tar if entry.isfile()}
            chosen = _chosen(members)
            return {file: _bytes(packed_tar.extractfile(members[name]), file) for file, name in chosen}
    except DAMAGE as error:
        reason = str(error).partition("\n")[0]
        with archive.open("rb") as file:
            start = file.read(512).lstrip().lower()
        if start.startswith((b"<!doctype html", b"<html")):
            reason = "it is a web page, perhaps a login page"
        raise CheckpointError(
            f"{archive} is not an archive, or is damaged ({reason}); download it again"
        ) from None
    except CheckpointError as error:
        raise CheckpointError(f"{archive} {error}") from None


def _chosen(members: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the model's files and their names in the archive. Raises CheckpointError if one is ambiguous."""
    chosen = []
    for file in MOST_BYTES:
        found = [name for name in members if PurePosixPath(name).name == file and "__MACOSX" not in name]
        if len(found) == 1:
            chosen.append((file, found[0]))
        elif found or file in NEEDED:
            raise CheckpointError(
                f"contains {len(found) or 'no'} {file}; an archive of a model must contain one"
            )
    return chosen


def _bytes(file: IO[bytes] | None, name: str) -> bytes:
    assert file is not None, "a regular file can be opened"
    with file:
        data = file.read(MOST_BYTES[name] + 1)
    if len(data) > MOST_BYTES[name]:
        raise CheckpointError(f"is refused: its {name} is larger than {MOST_BYTES[name] >> 20} MB")
    return data
