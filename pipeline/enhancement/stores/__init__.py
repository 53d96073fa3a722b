"""Where photos are read and written: a folder or a prefix of a bucket, behind one protocol."""

from pipeline.enhancement.stores.bucket import S3Store
from pipeline.enhancement.stores.folder import FolderStore
from pipeline.enhancement.stores.store import Store, Stored, sha256_of

__all__ = ["FolderStore", "S3Store", "Store", "Stored", "open_store", "sha256_of"]


def open_store(address: str, endpoint_url: str = "") -> Store:
    """The store at `s3://bucket/prefix`, or at a folder's path, which need not exist yet."""
    return S3Store(address, endpoint_url) if address.startswith("s3://") else FolderStore(address)
