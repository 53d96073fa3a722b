"""JPEG (ITU-T T.81), with JFIF, EXIF, XMP, ICC and Photoshop segments."""

import io
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image

from pipeline.errors import PhotoError
from pipeline.photos import xmp
from pipeline.photos.exif import PREFIX
from pipeline.photos.exif_tree import fitted
from pipeline.photos.original import Channels, Metadata, Samples
from pipeline.photos.photoshop import SEGMENT as PHOTOSHOP
from pipeline.photos.pixels import of_array, of_pillow, whole_range
from pipeline.photos.size_limit import require_memory
from pipeline.photos.writing import EncodedPhoto, Picture

APP0, APP1, APP2, APP13, COMMENT, START_OF_SCAN, END = 0xE0, 0xE1, 0xE2, 0xED, 0xFE, 0xDA, 0xD9
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
WITHOUT_CONTENT = {0x01, *range(0xD0, 0xD9)}
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # ends a scan; restart markers and stuffed bytes do not
MOST_BYTES = 65_533  # maximum content of a segment
XMP, XMP_EXTENSION, ICC, MPF = b"http://ns.adobe.com/xap/1.0/\0", xmp.EXTENSION, b"ICC_PROFILE\0", b"MPF\0"
PADDINGS = (bytes(range(1, 200)), bytes(range(199, 0, -1)))
INCH, CENTIMETRE = 1, 2
SUBSAMPLING = {(1, 1): 0, (2, 1): 1, (2, 2): 2, (4, 1): 1}  # Pillow's numbers; 4:4:0 becomes 4:4:4


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Segments (marker, content) of the main picture, and the offset of its end; 0 if the end is missing."""

    segments: tuple[tuple[int, bytes], ...]
    end: int

    def starting(self, marker: int, prefix: bytes) -> list[bytes]:
        """Return the contents of segments with this prefix, without the prefix."""
        return [
            rest[len(prefix) :]
            for found, rest in self.segments
            if found == marker and rest.startswith(prefix)
        ]


def begins(data: bytes) -> bool:
    return data.startswith(b"\xff\xd8\xff")


def read(data: bytes, max_pixels: float) -> Samples:
    parts = _parts(data)
    bits, height, width = _frame(parts)
    scale = _draft_scale(width * height, max_pixels) if bits == 8 else 1
    require_memory(-(-width // scale), -(-height // scale), bits)
    metadata, warnings = _metadata(parts)
    if not parts.end:
        data, warnings = _completed(data), (*warnings, "its end marker is missing, but it is complete")
    values, channels, layout = _deep(data, bits) if bits > 8 else _shallow(data, scale)
    return Samples(
        values_hwc=values,
        channels=channels,
        profile=_profile(parts),
        metadata=metadata,
        layout=layout,
        warnings=(*warnings, *_not_carried(parts, metadata.xmp)),
    )


def read_exif(data: bytes) -> bytes:
    return b"".join(_parts(data).starting(APP1, PREFIX))


def write(picture: Picture) -> EncodedPhoto:
    """Encode 8-bit gray or RGB, with the quality of the layout if it has one."""
    metadata, values = picture.metadata, picture.values_hwc
    exif, warnings = _exif_to_fit(metadata.exif)
    segments, losses = _segments(metadata)
    options: dict[str, Any] = {
        "exif": PREFIX + exif,
        "icc_profile": picture.profile or None,
        "extra": segments,
    }
    if metadata.dpi and all(round(density) < 2**16 for density in metadata.dpi):
        options["dpi"] = metadata.dpi
    file = io.BytesIO()
    image = Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)
    image.save(file, "JPEG", **options, **_quality(picture))
    return EncodedPhoto(data=file.getvalue(), warnings=(*warnings, *losses))


def _parts(data: bytes) -> Parts:
    segments: list[tuple[int, bytes]] = []
    place = 2
    while place + 2 <= len(data):
        if data[place] != 0xFF or data[place + 1] in (0x00, 0xFF):  # fill bytes or garbage
            place += 1
            continue
        marker = data[place + 1]
        if marker == END:
            return Parts(segments=tuple(segments), end=place + 2)
        if marker in WITHOUT_CONTENT:
            place += 2
            continue
        size = int.from_bytes(data[place + 2 : place + 4], "big")
        segments.append((marker, data[place + 4 : place + 2 + size]))
        place += 2 + max(2, size)
        if marker == START_OF_SCAN:
            found = MARKER.search(data, place)
            place = found.start() if found else len(data)
    return Parts(segments=tuple(segments), end=0)


def _frame(parts: Parts) -> tuple[int, int, int]:
    """Return bits, height and width."""
    for marker, content in parts.segments:
        if marker in FRAMES and len(content) >= 6:
            return struct.unpack_from(">BHH", content)
    raise PhotoError("cannot be decoded: the JPEG has no frame header")


def _draft_scale(pixels: int, max_pixels: float) -> int:
    """Return the factor (1, 2, 4, 8) by which decoding may reduce each side and keep `max_pixels`."""
    if not max_pixels:
        return 1
    return max((scale for scale in (2, 4, 8) if pixels / scale**2 >= max_pixels), default=1)


def _shallow(data: bytes, scale: int) -> tuple[np.ndarray, Channels, dict[str, Any]]:
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        if scale > 1:
            image.draft(None, (max(1, image.width // scale), max(1, image.height // scale)))
        image.load()
        values, channels = of_pillow(image)
        return values, channels, {} if channels == "CMYK" else _layout(image)


def _deep(data: bytes, bits: int) -> tuple[np.ndarray, Channels, dict[str, Any]]:
    """Decode JPEGs of 12 bits, or lossless JPEGs of up to 16 bits."""
    values, channels = of_array(imagecodecs.jpeg8_decode(data))
    if channels not in ("L", "RGB"):
        raise PhotoError(
            f"JPEG with {bits} bits and {values.shape[2]} channels is unsupported; save it as RGB"
        )
    return whole_range(values, bits), channels, {}


def _completed(data: bytes) -> bytes:
    """Append the missing end marker. Raises PhotoError if image data is missing as well.

    To detect this, two different paddings are decoded: they only give different pictures if data is missing.
    """
    data = data.rstrip(b"\0")  # recovered files may be padded
    ends = [data + padding + b"\xff\xd9" for padding in PADDINGS]
    first, second = (imagecodecs.jpeg8_decode(end) for end in ends)
    if not np.array_equal(first, second):
        raise PhotoError("truncated: part of the picture is missing")
    return data + b"\xff\xd9"


def _layout(image: Image.Image) -> dict[str, Any]:
    """Return quantisation tables and subsampling as Pillow's options for saving."""
    layers, tables = getattr(image, "layer", []), getattr(image, "quantization", {})
    chosen = [tables[layer[3]] for layer in layers if len(tables.get(layer[3], ())) == 64]
    if not layers or len(chosen) != len(layers):
        return {}
    while len(chosen) > 2 and chosen[-1] == chosen[-2]:
        del chosen[-1]
    (across, down), *chroma = [(layer[1], layer[2]) for layer in layers]
    ratios = {(across // max(1, one), down // max(1, other)) for one, other in chroma} or {(1, 1)}
    subsampling = SUBSAMPLING.get(ratios.pop(), 0) if len(ratios) == 1 else 0
    return {"qtables": [[min(255, step) for step in table] for table in chosen], "subsampling": subsampling}


def _profile(parts: Parts) -> bytes:
    """Join the numbered pieces of the ICC profile (ICC.1:2022, annex B.4)."""
    pieces = {piece[0]: piece[2:] for piece in parts.starting(APP2, ICC) if len(piece) > 2}
    return b"".join(pieces[number] for number in sorted(pieces))


def _metadata(parts: Parts) -> tuple[Metadata, tuple[str, ...]]:
    packets, extensions = parts.starting(APP1, XMP), parts.starting(APP1, XMP_EXTENSION)
    packet, warnings = xmp.joined(packets[0] if packets else b"", extensions)
    metadata = Metadata(
        exif=b"".join(parts.starting(APP1, PREFIX)),
        xmp=packet,
        photoshop=b"".join(parts.starting(APP13, PHOTOSHOP)),
        comments=tuple(content for marker, content in parts.segments if marker == COMMENT),
        dpi=_dpi(parts.starting(APP0, b"JFIF\0")),
    )
    return metadata, warnings


def _dpi(headers: Sequence[bytes]) -> tuple[float, float] | None:
    """Return the resolution from JFIF; that of EXIF is part of the EXIF block."""
    if not headers or len(headers[0]) < 7:
        return None
    unit, across, down = struct.unpack_from(">BHH", headers[0], 2)
    if unit not in (INCH, CENTIMETRE) or not across or not down:
        return None
    factor = 2.54 if unit == CENTIMETRE else 1
    return across * factor, down * factor


def _not_carried(parts: Parts, packet: bytes) -> Iterator[str]:
    """Yield warnings for content besides the main picture, which is lost."""
    if xmp.promises_video(packet):
        yield "the video of this motion photo was not kept"
    if xmp.promises_gain_map(packet):
        yield "its gain map (Ultra HDR) was not kept: the result is SDR"


def _exif_to_fit(block: bytes) -> tuple[bytes, tuple[str, ...]]:
    try:
        smaller, lost = fitted(block, MOST_BYTES - len(PREFIX))
    except ValueError:
        return b"", ("its EXIF is damaged and too long for JPEG: it was not kept",)
    return smaller, (f"EXIF too long for JPEG: {', '.join(lost)} not kept",) if lost else ()


def _segments(metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
    """Return segments that Pillow cannot write, or only if they are short; and warnings for lost content."""
    packet, extensions, warnings = xmp.split(metadata.xmp, MOST_BYTES - len(XMP))
    contents = [(APP1, XMP + packet)] if packet else []
    contents += [(APP1, XMP_EXTENSION + extension) for extension in extensions]
    room = MOST_BYTES - len(PHOTOSHOP)
    for start in range(0, len(metadata.photoshop), room):
        contents.append((APP13, PHOTOSHOP + metadata.photoshop[start : start + room]))
    contents += [(COMMENT, comment[:MOST_BYTES]) for comment in metadata.comments]
    if metadata.texts:
        warnings += ("its PNG texts were not kept: JPEG does not support them",)
    packed = (bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body for marker, body in contents)
    return b"".join(packed), warnings


def _quality(picture: Picture) -> dict[str, Any]:
    """Return options for quality. Chroma is only subsampled if the original's was, to avoid blur."""
    if picture.values_hwc.shape[2] == 1:
        tables = picture.layout.get("qtables", [])[:1]
        return (
            {"qtables": tables} if tables and picture.quality is None else {"quality": picture.quality or 95}
        )
    subsampling = picture.layout.get("subsampling", 0)
    if picture.quality is None and "qtables" in picture.layout:
        return {"qtables": picture.layout["qtables"], "subsampling": subsampling}
    return {"quality": picture.quality or 95, "subsampling": subsampling}
