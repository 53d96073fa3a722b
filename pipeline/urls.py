"""How a URL is shown to users."""

from urllib.parse import urlsplit


def public_url(url: str) -> str:
    """Strip what may be secret (user, password, query), for messages and manifests."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
