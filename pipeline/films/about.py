"""What a film's header tells: its camera, and whether this program has made it."""

from pathlib import Path

from pipeline.errors import FilmError
from pipeline.photos.headers import Header
from pipeline.video.library import pyav
from pipeline.video.reading import opened

COMMENT, NOTE = "comment", "wespe "
MAKES = ("make", "com.apple.quicktime.make", "com.android.manufacturer")
MODELS = ("model", "com.apple.quicktime.model", "com.android.model")


def header_of_film(path: Path) -> Header:
    """Return the camera; '' where the film does not tell it, or cannot be read."""
    try:
        with opened(path) as container:
            facts = {key.lower(): value for key, value in container.metadata.items()}
    except FilmError:  # enhancing it will report it
        facts = {}
    make, model = (next((facts[key] for key in keys if key in facts), "") for keys in (MAKES, MODELS))
    return Header(pixels=0, make=make, model=model)


def note_of(path: Path) -> str:
    """Return the line that this program has written into a film; '' if it has not made it."""
    pyav()
    try:
        with opened(path) as container:
            facts = {key.lower(): value for key, value in container.metadata.items()}
    except FilmError:
        return ""
    return next((line for line in facts.get(COMMENT, "").splitlines() if line.startswith(NOTE)), "")
