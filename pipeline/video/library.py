"""PyAV, which reads and writes films; optional, and imported only when there is a film."""

import os
from functools import cache
from typing import Any

from pipeline.errors import FilmError


@cache
def pyav() -> Any:
    """Import PyAV, without logs on stderr. Raises FilmError if it is not installed."""
    os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder then only tells errors
    try:
        import av
    except ImportError:
        raise FilmError("films require `pip install 'wespe[film]'`; install it, and run again") from None
    av.logging.set_level(None)
    return av
