"""Stores, from which photos are read and to which they are written: folders and bucket prefixes."""

from pipeline.enhancement.stores.bucket import S3Store
from pipeline.enhancement.stores.folder import FolderStore
from pipeline.enhancement.stores.store import Store, StoredFile, sha256_of

__all__ = ["FolderStore", "S3Store", "Store", "StoredFile", "open_store", "sha256_of"]


def open_store(address: str, endpoint_url: str = "") -> Store:
    """Return the store at `s3://bucket/prefix` or at a folder's path, which may not exist yet."""
    return S3Store(address, endpoint_url) if address.startswith("s3://") else FolderStore(address)
