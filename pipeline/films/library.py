"""PyAV, which reads and writes films; optional, and imported only when there is a film."""

from functools import cache
from typing import Any

from pipeline.errors import FilmError


@cache
def pyav() -> Any:
    """Import PyAV, without its log on stderr. Raises FilmError if it is not installed."""
    try:
        import av
    except ImportError:
        raise FilmError("films require `pip install 'wespe[film]'`; install it, and run again") from None
    av.logging.set_level(None)
    return av
