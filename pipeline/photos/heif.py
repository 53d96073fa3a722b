"""HEIF, which phones write: read through pi-heif where that is installed, `pip install 'wespe[heif]'`."""

from functools import cache

BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")


def is_heif(data: bytes) -> bool:
    """Tell by the first bytes; an AVIF may begin like this, too."""
    return data[4:8] == b"ftyp" and data[8:12] in BRANDS


@cache
def can_read_heif() -> bool:
    """Teach Pillow the format "HEIF", if that is possible. Its pixels come upright, its orientation as 1."""
    try:
        from pi_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True
