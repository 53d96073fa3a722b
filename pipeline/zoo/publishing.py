"""Publishes model packages in a zoo: files first, then the manifest, and the index last.

A reader of the index never meets an incomplete model. The index is made anew from the manifests that are
there, so the next publication repairs what a killed one, or two at once, have left.
"""

from collections.abc import Mapping

from pipeline.enhancement.stores import Store
from pipeline.errors import CheckpointError, PipelineError, ZooError
from pipeline.models.card import CARD, card_of
from pipeline.models.package import PACKAGE_MANIFEST, Manifest, read_manifest, sha256
from pipeline.zoo.index import INDEX, ListedModel, listed_model, write_index


def publish(files: Mapping[str, bytes], zoo: Store) -> bool:
    """Publish a package; tell whether it is new. Raises ZooError if other bytes have its name and version."""
    data = files[PACKAGE_MANIFEST]
    manifest = read_manifest(data, PACKAGE_MANIFEST)
    folder = f"{manifest.name}/{manifest.version}"
    there = _content(zoo, f"{folder}/{PACKAGE_MANIFEST}")
    if there not in (b"", data):
        raise ZooError(
            f"{zoo.address.rstrip('/')}/{folder} is published already, with other files, and a version never "
            "changes; publish this one with a higher --version"
        )
    if not there:
        for file in sorted(files, key=lambda file: file == PACKAGE_MANIFEST):
            zoo.write(f"{folder}/{file}", files[file])
    _update_index(zoo)
    return not there


def _update_index(zoo: Store) -> None:
    """Write the index until no other publisher has added a manifest meanwhile."""
    written = None
    while written != (found := _manifests(zoo)):
        zoo.write(INDEX, write_index([_listed(zoo, name) for name in found]))
        written = found


def _manifests(zoo: Store) -> list[str]:
    names = (stored.name for stored in zoo.listing())
    return sorted(name for name in names if name.count("/") == 2 and name.endswith(f"/{PACKAGE_MANIFEST}"))


def _listed(zoo: Store, name: str) -> ListedModel:
    where = f"{zoo.address.rstrip('/')}/{name}"
    folder = name.removesuffix(PACKAGE_MANIFEST)
    try:
        data = _content(zoo, name)
        manifest: Manifest = read_manifest(data, where)
        card = card_of(_content(zoo, folder + CARD), f"{where.removesuffix(PACKAGE_MANIFEST)}{CARD}")
    except CheckpointError as error:
        raise ZooError(f"{error}; or delete its folder, and publish again") from None
    if folder != f"{manifest.name}/{manifest.version}/":
        raise ZooError(
            f"{where} is of {manifest.name} {manifest.version}; move its folder there, or delete it"
        )
    return listed_model(card, manifest, sha256(data))


def _content(zoo: Store, name: str) -> bytes:
    """Return a file's content; nothing if it does not exist."""
    if zoo.look(name) is None:
        return b""
    try:
        with zoo.open(name) as file:
            return file.read()
    except (OSError, PipelineError) as error:
        raise ZooError(f"{name} of {zoo.address} cannot be read: {error}") from None
