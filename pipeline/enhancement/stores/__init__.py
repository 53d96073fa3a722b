"""Stores, from which photos are read and to which they are written: folders and bucket prefixes."""

import re

from pipeline.enhancement.stores.bucket import S3Store
from pipeline.enhancement.stores.folder import FolderStore
from pipeline.enhancement.stores.store import Store, StoredFile, sha256_of
from pipeline.errors import EnhancementError

SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://")

__all__ = ["FolderStore", "S3Store", "Store", "StoredFile", "open_store", "sha256_of"]


def open_store(address: str, endpoint_url: str = "") -> Store:
    """Return the store at `s3://bucket/prefix` or at a folder's path, which may not exist yet.

    Raises EnhancementError for other addresses, such as https://.
    """
    if address.startswith("s3://"):
        return S3Store(address, endpoint_url)
    if SCHEME.match(address):
        raise EnhancementError(
            f"{address}: only folders and s3:// can be read and written; download the photos, mount the "
            "store, or use its S3 interface (AWS_ENDPOINT_URL)"
        )
    return FolderStore(address)
