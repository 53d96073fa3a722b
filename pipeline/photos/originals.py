"""A photo's file with all that it carries, so that the enhanced one can carry it too."""

import io
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from PIL import Image
from PIL.ExifTags import IFD
from PIL.JpegImagePlugin import get_sampling

from pipeline.photos.colour_profile import Colours
from pipeline.photos.deep import decode_deep_png, decode_deep_tiff
from pipeline.photos.images import decoders, orientation_of, refusals, to_8_bit, to_srgb
from pipeline.photos.photoshop import iptc_resource, without_thumbnail

XMP_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
PHOTOSHOP = b"Photoshop 3.0\0"
# Tags of a TIFF: what has a place of its own here, and what tells of the pixels' layout and not of the photo.
XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG, PROFILE_TAG = 700, 33723, 34377, 34675
LAYOUT = {254, 255, *range(256, 260), 262, 263, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 301}
LAYOUT |= {317, 318, 319, *range(320, 326), 330, 332, *range(338, 343), 347, 512, 513, 514, *range(529, 533)}
TURNS = {  # of an array (h, w, …), by EXIF orientation
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


@dataclass(frozen=True, kw_only=True)
class Original:
    """Upright pixels and what came with them.

    photo_hwc: uint8 or uint16, in the colours of `profile`, or sRGB where there is none.
    colours: of the profile; None where they are sRGB.
    alpha_hw: of the photo's type, or None.
    layout: JPEG's tables and subsampling, WebP's lossless, as Pillow's options to save with.
    """

    kind: str
    photo_hwc: np.ndarray
    alpha_hw: np.ndarray | None = None
    profile: bytes = b""
    colours: Colours | None = None
    exif: bytes = b""
    xmp: bytes = b""
    photoshop: bytes = b""
    more_xmp: tuple[bytes, ...] = ()
    comment: bytes = b""
    dpi: tuple[float, float] | None = None
    texts: dict[str, str] = field(default_factory=dict)
    layout: dict[str, Any] = field(default_factory=dict)

    def emptied(self) -> "Original":
        """All but the photo itself, whose memory another may need."""
        return replace(self, photo_hwc=np.empty((0, 0, 3), np.uint8))


def decode_original(data: bytes) -> Original:
    """Decode a photo, and keep all that its file carries. Raises PhotoError with a short reason."""
    with refusals(data), Image.open(io.BytesIO(data), formats=decoders(data)) as image:
        kind = "JPEG" if image.format == "MPO" else image.format or ""
        orientation = orientation_of(image)
        carried = _carried(image, kind, data)
        pixels, profile, colours = _pixels(image, kind, data)
        # Pillow turns a TIFF when it loads it, and nothing else.
        if not (kind == "TIFF" and pixels.dtype == np.uint8):
            pixels = TURNS.get(orientation, lambda a: a)(pixels)
        rgb, alpha = _split(pixels)
        return Original(kind=kind, photo_hwc=rgb, alpha_hw=alpha, profile=profile, colours=colours, **carried)


def reduced(original: Original, max_megapixels: float) -> Original:
    """The original in so many megapixels."""
    height, width, _ = original.photo_hwc.shape
    scale = (max_megapixels * 1e6 / (height * width)) ** 0.5
    size = max(1, int(width * scale)), max(1, int(height * scale))
    channels = [_resized(original.photo_hwc[..., number], size) for number in range(3)]
    alpha = None if original.alpha_hw is None else _resized(original.alpha_hw, size)
    return replace(original, photo_hwc=np.stack(channels, -1), alpha_hw=alpha)


def _carried(image: Image.Image, kind: str, data: bytes) -> dict[str, Any]:
    """All that is not pixels; what cannot be read is left out."""
    info = image.info
    carried: dict[str, Any] = {"exif": info.get("exif", b""), "dpi": info.get("dpi")}
    carried["xmp"] = info["xmp"] if isinstance(info.get("xmp"), bytes) else b""
    if kind == "JPEG":
        segments = [segment for _, segment in getattr(image, "applist", [])]
        resources = [segment for segment in segments if segment.startswith(PHOTOSHOP)]
        carried["photoshop"] = b"".join(segment[len(PHOTOSHOP) :] for segment in resources)
        carried["more_xmp"] = tuple(seg for seg in segments if seg.startswith(XMP_EXTENSION))
        carried["comment"] = info.get("comment", b"")
        carried["layout"] = _jpeg_layout(image)
    elif kind == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        carried["exif"] = _exif_of_tiff(image)
        carried["xmp"] = _bytes(tags.get(XMP_TAG))
        carried["photoshop"] = _bytes(tags.get(PHOTOSHOP_TAG)) or iptc_resource(_bytes(tags.get(IPTC_TAG)))
    elif kind == "PNG":
        image.load()  # texts may follow the pixels
        carried["exif"], carried["xmp"] = image.info.get("exif", b""), _bytes(image.info.get("xmp"))
        texts = getattr(image, "text", {})
        carried["texts"] = {
            key: str(text) for key, text in texts.items() if not key.startswith("XML:com.adobe")
        }
    elif kind == "WEBP":
        carried["layout"] = {"lossless": b"VP8L" in _riff_chunks(data)}
    carried["photoshop"] = without_thumbnail(carried.get("photoshop", b""))
    return carried


def _pixels(image: Image.Image, kind: str, data: bytes) -> tuple[np.ndarray, bytes, Colours | None]:
    """Pixels (h, w, channels), and the profile and colours that they are in."""
    profile = image.info.get("icc_profile") or b""
    colours = Colours.of(profile) if profile else None
    plain = image.mode not in ("CMYK", "LAB", "YCbCr", "HSV") and (colours is not None or not profile)
    if colours and colours.is_srgb():
        colours = None
    if plain and kind == "PNG" and data[24] == 16:
        return decode_deep_png(data), profile, colours
    if plain and kind == "TIFF" and _is_deep(image):
        return decode_deep_tiff(data), profile, colours
    image.load()
    if not plain or image.mode in ("F", "I") or image.mode.startswith("I;"):
        return np.array(to_srgb(to_8_bit(image))), b"", None
    has_alpha = image.has_transparency_data or image.mode in ("RGBa", "La")
    mode = "RGBA" if has_alpha else "RGB"
    return np.asarray(image if image.mode == mode else image.convert(mode)), profile, colours


def _is_deep(image: Image.Image) -> bool:
    tags = image.tag_v2  # type: ignore[attr-defined]
    unsigned = set(tags.get(339, (1,))) == {1}
    return set(tags.get(258, (1,))) == {16} and unsigned and tags.get(262) in (1, 2)


def _split(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Colour and alpha of 1 to 4 channels, or more."""
    channels = pixels.shape[2]
    alpha = np.ascontiguousarray(pixels[..., channels - 1]) if channels in (2, 4) else None
    if channels < 3:
        return np.broadcast_to(pixels[..., :1], (*pixels.shape[:2], 3)), alpha
    return (pixels if channels == 3 else np.ascontiguousarray(pixels[..., :3])), alpha


def _jpeg_layout(image: Image.Image) -> dict[str, Any]:
    """Tables and subsampling of a JPEG in luma and chroma; others have none that would fit."""
    sampling, tables = get_sampling(image), getattr(image, "quantization", {})
    known = all(len(table) == 64 and max(table) <= 255 for table in tables.values())
    if sampling < 0 or not known or list(tables) != list(range(len(tables))) or not tables:
        return {}
    return {"qtables": list(tables.values()), "subsampling": sampling}


def _exif_of_tiff(image: Image.Image) -> bytes:
    """An EXIF block of the tags that are about the photo."""
    tags, block = image.getexif(), Image.Exif()
    apart = LAYOUT | {XMP_TAG, PHOTOSHOP_TAG, PROFILE_TAG}
    for tag in tags:
        if tag not in apart:
            block[tag] = tags.get_ifd(tag) if tag in (IFD.Exif, IFD.GPSInfo) else tags[tag]
    try:
        return block.tobytes()
    except Exception:  # values that do not fit their tags, of a hostile file; the pixels may be fine
        return b""


def _riff_chunks(data: bytes) -> set[bytes]:
    """Names of a WebP's chunks."""
    names, place = set(), 12
    while place + 8 <= len(data):
        names.add(data[place : place + 4])
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8 + size + size % 2
    return names


def _bytes(value: object) -> bytes:
    """A tag's value as bytes, whatever its type in this file."""
    match value:
        case bytes():
            return value
        case str():
            return value.encode()
        case (bytes() as only,):
            return only
        case tuple() if all(isinstance(number, int) and 0 <= number < 256 for number in value):
            return bytes(value)
    return b""


def _resized(channel_hw: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    floats = Image.fromarray(channel_hw.astype(np.float32)).resize(size, Image.Resampling.LANCZOS)
    limits = np.iinfo(channel_hw.dtype)
    return np.asarray(floats).round().clip(limits.min, limits.max).astype(channel_hw.dtype)
