"""Where photos are read and written: a folder or a prefix of a bucket, behind one protocol."""

import re

from pipeline.enhancement.stores.bucket import S3Store
from pipeline.enhancement.stores.folder import FolderStore
from pipeline.enhancement.stores.store import Store, Stored, sha256_of
from pipeline.errors import EnhancementError

SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://")

__all__ = ["FolderStore", "S3Store", "Store", "Stored", "open_store", "sha256_of"]


def open_store(address: str, endpoint_url: str = "") -> Store:
    """The store at `s3://bucket/prefix`, or at a folder's path, which need not exist yet.

    Raises EnhancementError for addresses of other kinds, such as https://.
    """
    if address.startswith("s3://"):
        return S3Store(address, endpoint_url)
    if SCHEME.match(address):
        raise EnhancementError(
            f"{address}: only folders and s3:// can be read and written; download the photos, mount the "
            "store, or use its S3 interface (AWS_ENDPOINT_URL)"
        )
    return FolderStore(address)
