"""EXIF and XMP of RAW files: each maker keeps them at another place."""

import re
import struct

from pipeline.photos import bmff, jpeg
from pipeline.photos.exif_tree import EXIF, GPS, Tree, packed, read_tree
from pipeline.photos.original import Metadata
from pipeline.photos.xmp import without_settings

FUJIFILM, PANASONIC, OLYMPUS = b"FUJIFILMCCD-RAW", b"IIU\0", (b"IIRO", b"IIRS", b"MMOR")
SIGNATURES = (FUJIFILM, PANASONIC, *OLYMPUS)
PREVIEW = 84  # of Fujifilm: offset and size of a JPEG, which has the EXIF
XMP, PANASONICS_JPEG = 700, 46
TITLE, CAMERA, ORIENTATION, RATINGS, WINDOWS = 270, (271, 272), 274, (18246, 18249), range(40091, 40096)
SOFTWARE_DATE_AND_PEOPLE = (305, 306, 315, 33432)
# Of the first directory, what is about the photo. The rest is about the sensor, or makes the result a DNG.
ABOUT = {TITLE, *CAMERA, ORIENTATION, *SOFTWARE_DATE_AND_PEOPLE, *RATINGS, *WINDOWS, EXIF, GPS}
SKIPPED = frozenset(range(2**16)) - ABOUT - {XMP, PANASONICS_JPEG}
HAS_SETTINGS = re.compile(rb"crs:HasSettings(=[\"']|>)True")
SETTINGS = "its settings of Camera Raw were not applied"


def exif(data: bytes) -> bytes:
    """Return the EXIF block of a RAW file or its head; b'' if there is none."""
    if data.startswith(FUJIFILM):
        start, size = struct.unpack_from(">II", data, PREVIEW)
        return jpeg.read_exif(data[start : start + size])
    tree = _canon_tree(data) if bmff.brands(data) else read_tree(data, SKIPPED)
    if preview := tree.bytes_of(PANASONICS_JPEG):  # its EXIF has more than the first directory
        return jpeg.read_exif(preview)
    about = {tag: entry for tag, entry in tree.tags.items() if tag in ABOUT}
    return packed(Tree(tree.order, about)) if about else b""


def metadata(data: bytes) -> tuple[Metadata, tuple[str, ...]]:
    """Return what is known about a photo, with a warning for what is not kept."""
    try:
        block, packet = exif(data), _xmp(data)
    except (ValueError, struct.error):
        return Metadata(), ("its EXIF is damaged and was not kept",)
    warnings = (SETTINGS,) if HAS_SETTINGS.search(packet) else ()
    return Metadata(exif=block, xmp=without_settings(packet)), warnings


def _xmp(data: bytes) -> bytes:
    if data.startswith(FUJIFILM) or bmff.brands(data):
        return b""
    return read_tree(data, SKIPPED).bytes_of(XMP).rstrip(b"\0")


def _canon_tree(data: bytes) -> Tree:
    """Read the directories of a CR3, each of which is in a box of its own."""
    [moov] = [content for kind, content in bmff.boxes(data) if kind == b"moov"][:1] or [b""]
    found: dict[bytes, bytes] = {}
    for kind, content in bmff.boxes(moov):
        if kind == b"uuid":
            found |= dict(bmff.boxes(content[16:]))
    first = read_tree(found.get(b"CMT1", b""))
    for kind, tag in ((b"CMT2", EXIF), (b"CMT4", GPS)):
        if kind in found:
            first.tags[tag] = read_tree(found[kind]).tags
    return first
