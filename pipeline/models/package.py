"""A model package: the files of a model as they travel, and manifest.json with the sha256 of each."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from pipeline.errors import CheckpointError
from pipeline.layout import CONFIG, WEIGHTS
from pipeline.models.card import CARD, FORMAT, NAME, VERSION, check_format, json_object

PACKAGE_MANIFEST, CARD_PAGE, CUBE, ONNX = "manifest.json", "CARD.md", "model.cube", "model.onnx"
# Every file that a package may have, and its largest size: no other name is ever read or written.
MOST_BYTES = {
    CONFIG: 2**20,
    WEIGHTS: 2**30,
    CARD: 2**20,
    CARD_PAGE: 2**20,
    CUBE: 2**24,
    ONNX: 2**30,
    PACKAGE_MANIFEST: 2**16,
}
NEEDED = (CONFIG, WEIGHTS)
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The name, version and files of a package."""

    name: str
    version: str
    files: Mapping[str, FileFacts]

    @property
    def bytes(self) -> int:
        return sum(facts.bytes for facts in self.files.values())


def manifest_of(name: str, version: str, files: Mapping[str, bytes]) -> bytes:
    """Describe the files; the same files give the same bytes."""
    listed = {file: {"sha256": sha256(data), "bytes": len(data)} for file, data in sorted(files.items())}
    content = {"format": FORMAT, "name": name, "version": version, "files": listed}
    return json.dumps(content, indent=1).encode() + b"\n"


def read_manifest(data: bytes, where: str) -> Manifest:
    """Read an untrusted manifest.json. Raises CheckpointError unless all of it is valid."""
    content = json_object(data, where)
    check_format(content, where)
    name, version, files = (content.get(key) for key in ("name", "version", "files"))
    if not (is_name(name) and is_version(version) and isinstance(files, dict)):
        raise CheckpointError(f"{where} is not the manifest of a model; fetch it again")
    if missing := [file for file in (*NEEDED, CARD) if file not in files]:
        raise CheckpointError(f"{where} lists no {missing[0]}; the model is incomplete")
    listed = {str(file): _facts(str(file), entry, where) for file, entry in files.items()}
    return Manifest(name=name, version=version, files=listed)


def _facts(file: str, entry: Any, where: str) -> FileFacts:
    if file not in MOST_BYTES or file == PACKAGE_MANIFEST:
        raise CheckpointError(f"{where} is refused: it lists {file[:80]!r}, which no model has")
    sha, size = (entry.get("sha256"), entry.get("bytes")) if isinstance(entry, dict) else ("", 0)
    if not is_sha256(sha) or type(size) is not int or size < 0:
        raise CheckpointError(f"{where}: {file} has no valid sha256 and size; fetch it again")
    if size > MOST_BYTES[file]:
        raise CheckpointError(f"{where} is refused: its {file} is larger than {MOST_BYTES[file] >> 20} MB")
    return FileFacts(sha256=sha, bytes=size)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def is_sha256(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and bool(SHA256.fullmatch(value))


def is_name(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and bool(NAME.fullmatch(value))


def is_version(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and bool(VERSION.fullmatch(value))
