"""Reads a zoo, and verifies all that it sends by size and sha256."""

import os
from dataclasses import dataclass

from pipeline.errors import CheckpointError, ZooError
from pipeline.models.card import CARD, card_of
from pipeline.models.package import (
    MOST_BYTES,
    PACKAGE_MANIFEST,
    FileFacts,
    Manifest,
    read_manifest,
    sha256,
)
from pipeline.zoo.index import INDEX, MOST_INDEX_BYTES, ListedModel, read_index
from pipeline.zoo.transport import read_file, require_safe

VARIABLE = "WESPE_ZOO"


@dataclass(frozen=True, kw_only=True)
class Zoo:
    """A zoo at an address: `https://…`, `http://localhost…`, or a folder's path."""

    address: str

    def index(self) -> list[ListedModel]:
        """Return all models and versions. Raises ZooError."""
        return read_index(read_file(self.address, INDEX, MOST_INDEX_BYTES), self.address)

    def fetch(self, listed: ListedModel) -> dict[str, bytes]:
        """Return all files of a model, each with the size and sha256 that its manifest lists.

        Raises ZooError if anything differs, or if the card has no licence.
        """
        manifest, data = self._manifest(listed)
        files = {}
        for file, facts in sorted(manifest.files.items(), key=lambda item: item[0] != CARD):
            files[file] = self._verified(f"{listed.folder}/{file}", facts)
            if file == CARD:  # the first, so that a refused model costs no large download
                self._check_card(files[CARD], listed)
        return files | {PACKAGE_MANIFEST: data}

    def text(self, listed: ListedModel, file: str) -> str:
        """Return one of a model's texts, such as CARD.md; '' if it has none."""
        manifest, _ = self._manifest(listed)
        facts = manifest.files.get(file)
        return self._verified(f"{listed.folder}/{file}", facts).decode(errors="replace") if facts else ""

    def _manifest(self, listed: ListedModel) -> tuple[Manifest, bytes]:
        name = f"{listed.folder}/{PACKAGE_MANIFEST}"
        data = read_file(self.address, name, MOST_BYTES[PACKAGE_MANIFEST])
        if sha256(data) != listed.manifest_sha256:
            raise ZooError(f"{self.address}/{name}: its sha256 differs from that in {INDEX}; try again later")
        try:
            manifest = read_manifest(data, f"{self.address}/{name}")
        except CheckpointError as error:
            raise ZooError(str(error)) from None
        if (manifest.name, manifest.version) != (listed.name, listed.version):
            raise ZooError(f"{self.address}/{name} is of another model; tell whoever runs the zoo")
        if manifest.bytes != listed.bytes:
            raise ZooError(
                f"{self.address}/{name} lists {manifest.bytes:,} bytes, but {INDEX} {listed.bytes:,}; tell "
                "whoever runs the zoo"
            )
        return manifest, data

    def _check_card(self, data: bytes, listed: ListedModel) -> None:
        where = f"{self.address}/{listed.folder}/{CARD}"
        try:
            card = card_of(data, where)
            card.require_licence(where)
        except CheckpointError as error:
            raise ZooError(str(error)) from None
        if (card.name, card.version) != (listed.name, listed.version):
            raise ZooError(f"{where} is of another model; tell whoever runs the zoo")

    def _verified(self, name: str, facts: FileFacts) -> bytes:
        data = read_file(self.address, name, facts.bytes)
        if len(data) < facts.bytes:
            raise ZooError(
                f"{self.address}/{name} ends after {len(data):,} of {facts.bytes:,} bytes; try again later"
            )
        if sha256(data) != facts.sha256:
            raise ZooError(
                f"{self.address}/{name}: its sha256 differs from that in the manifest; try again later"
            )
        return data


def is_named() -> bool:
    """Tell whether the environment names a zoo."""
    return bool(os.environ.get(VARIABLE))


def open_zoo(address: str = "") -> Zoo:
    """Return the zoo at an address, by default that in WESPE_ZOO. Nothing is read yet. Raises ZooError."""
    address = address or os.environ.get(VARIABLE, "")
    if not address:
        raise ZooError(f"no zoo; name one with --zoo https://…, or set {VARIABLE}")
    if "://" in address:
        require_safe(address)
    return Zoo(address=address.removesuffix(f"/{INDEX}").rstrip("/") or "/")
