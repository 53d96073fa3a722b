"""A zoo's index.json: every published model and version, and the sha256 of its manifest.

A zoo is a folder, a bucket or a web site with index.json and NAME/VERSION/FILES. What an index says is not
trusted: names are checked before they become part of a path or an address.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.errors import CheckpointError, ZooError
from pipeline.models.card import (
    FORMAT,
    UNSTATED,
    CameraPattern,
    Card,
    check_format,
    json_object,
    printable,
    version_key,
)
from pipeline.models.known_models import nearest
from pipeline.models.package import MOST_BYTES, Manifest, is_name, is_sha256, is_version

INDEX = "index.json"
MOST_INDEX_BYTES = 2**23
MOST_PACKAGE_BYTES = sum(MOST_BYTES.values())


@dataclass(frozen=True, kw_only=True)
class ListedModel:
    """One version of a model. bytes: of all files that its manifest lists."""

    name: str
    version: str
    summary: str
    cameras: tuple[CameraPattern, ...]
    method: str
    licence: str
    bytes: int
    manifest_sha256: str

    @property
    def folder(self) -> str:
        return f"{self.name}/{self.version}"

    def matches(self, words: Iterable[str]) -> bool:
        """Tell whether all words occur in the name, summary, method or cameras, ignoring case."""
        text = " ".join([self.name, self.summary, self.method, *map(str, self.cameras)]).casefold()
        return all(word.casefold() in text for word in words)


def listed_model(card: Card, manifest: Manifest, manifest_sha256: str) -> ListedModel:
    return ListedModel(
        name=manifest.name,
        version=manifest.version,
        summary=card.summary,
        cameras=card.cameras,
        method=card.method,
        licence=card.licence,
        bytes=manifest.bytes,
        manifest_sha256=manifest_sha256,
    )


def write_index(models: Iterable[ListedModel]) -> bytes:
    """Return index.json, sorted by name and version."""
    rows = sorted(models, key=lambda listed: (listed.name, version_key(listed.version)))
    content = {"format": FORMAT, "models": [asdict(listed) for listed in rows]}
    return json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n"


def read_index(data: bytes, zoo: str) -> list[ListedModel]:
    """Read an untrusted index. Raises ZooError unless all of it is valid."""
    where = f"{zoo}/{INDEX}"
    try:
        content = json_object(data, where)
        check_format(content, where)
    except CheckpointError as error:
        raise ZooError(f"{error}, or check the address of the zoo") from None
    models = content.get("models")
    if not isinstance(models, list):
        raise ZooError(f"{where} is not the index of a zoo; check the address")
    try:
        return [_listed(model) for model in models]
    except (CheckpointError, ValueError) as error:
        raise ZooError(f"{where} is refused: {error}; tell whoever runs the zoo") from None


def _listed(model: Any) -> ListedModel:
    if not isinstance(model, Mapping):
        raise ValueError("its models must be objects")
    name, version, size, sha = (model.get(key) for key in ("name", "version", "bytes", "manifest_sha256"))
    if not is_name(name) or not is_version(version):
        shown = f"{name} {version}"[:80]
        raise ValueError(f"{shown!r} is no valid name and version of a model")
    if type(size) is not int or not 0 <= size <= MOST_PACKAGE_BYTES or not is_sha256(sha):
        raise ValueError(f"{name} {version} has no valid size and sha256")
    cameras = model.get("cameras", [])
    if not isinstance(cameras, list) or not all(isinstance(one, Mapping) for one in cameras):
        raise ValueError(f"the cameras of {name} {version} must be a list of objects")
    texts = {key: printable(model.get(key, UNSTATED)) for key in ("summary", "method", "licence")}
    patterns = tuple(
        CameraPattern(make=printable(one.get("make", "*")), model=printable(one.get("model", "*")))
        for one in cameras
    )
    return ListedModel(name=name, version=version, cameras=patterns, bytes=size, manifest_sha256=sha, **texts)


def newest(models: Iterable[ListedModel]) -> list[ListedModel]:
    """Return the newest version of every model, by name."""
    ordered = sorted(models, key=lambda listed: (listed.name, version_key(listed.version)))
    return list({listed.name: listed for listed in ordered}.values())


def find_listed(models: Iterable[ListedModel], wanted: str, zoo: str) -> ListedModel:
    """Return the newest version of a model. Raises ZooError, with the nearest names."""
    latest = {listed.name: listed for listed in newest(models)}
    if wanted not in latest:
        shown = printable(wanted)[:80]
        raise ZooError(f"{zoo} has no model {shown}{nearest(wanted, latest)}; see `wespe models search`")
    return latest[wanted]
