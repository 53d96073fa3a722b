"""URLs without secrets, for messages."""

from urllib.parse import urlsplit


def public_url(url: str) -> str:
    """Remove user, password and query, which may be secret."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
