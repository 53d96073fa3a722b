"""The few EXIF facts that the pipeline uses."""

from dataclasses import dataclass
from datetime import datetime

from PIL import Image
from PIL.ExifTags import IFD, Base

from pipeline.photos.exif_tree import EXIF, INTEROP, Entry, read_tree

PREFIX = b"Exif\0\0"


@dataclass(frozen=True, kw_only=True)
class Exif:
    """Facts from EXIF; '' if missing or invalid."""

    make: str = ""
    model: str = ""
    taken_at: str = ""  # ISO 8601, with an offset if known
    orientation: int = 1  # 1–8, as in EXIF


def facts(block: bytes) -> Exif:
    """Read the facts of an EXIF block; a damaged block counts as none."""
    try:
        tags = Image.Exif()
        tags.load(PREFIX + block.removeprefix(PREFIX))
        return Exif(
            make=_text(tags.get(Base.Make)),
            model=_text(tags.get(Base.Model)),
            taken_at=_taken_at(tags),
            orientation=_orientation(tags),
        )
    except Exception:  # malicious blocks can make the parser raise anything; the pixels may still be valid
        return Exif()


def is_adobe_rgb(block: bytes) -> bool:
    """Tell whether the block marks the photo as Adobe RGB without a profile (DCF 2.0, option file)."""
    try:
        details = read_tree(block).tags.get(EXIF)
        interop = details.get(INTEROP) if isinstance(details, dict) else None
        index = interop.get(1) if isinstance(interop, dict) else None
    except ValueError:
        return False
    return isinstance(index, Entry) and index.value.startswith(b"R03")


def _orientation(tags: Image.Exif) -> int:
    value = tags.get(Base.Orientation, 1)
    return value if value in range(1, 9) else 1


def _taken_at(tags: Image.Exif) -> str:
    details = tags.get_ifd(IFD.Exif)
    stamp = _text(details.get(Base.DateTimeOriginal) or tags.get(Base.DateTime))
    offset = _text(details.get(Base.OffsetTimeOriginal))
    for text, layout in ((stamp + offset, "%Y:%m:%d %H:%M:%S%z"), (stamp, "%Y:%m:%d %H:%M:%S")):
        try:
            return datetime.strptime(text, layout).isoformat()
        except ValueError:
            continue
    return ""


def _text(value: object) -> str:
    """Return the printable part of a tag: cameras pad with NULs, malicious files may contain anything."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    text = value.split("\0")[0].strip() if isinstance(value, str) else ""
    return "".join(letter for letter in text if letter.isprintable())[:100]
