"""The file of an enhanced photo: new pixels, and all that the original carried."""

import io
import re
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from pipeline.photos.deep import encode_deep_png, encode_tiff
from pipeline.photos.exif_block import ORIENTATION, PREFIX, SOFTWARE, ExifBlock
from pipeline.photos.originals import IPTC_TAG, PHOTOSHOP, PHOTOSHOP_TAG, PROFILE_TAG, XMP_TAG, Original

WIDTH, HEIGHT = 256, 257
X_DENSITY, Y_DENSITY, DENSITY_UNIT, PER_INCH = 282, 283, 296, 2
MAX_SEGMENT = 65_533 - len(PREFIX)  # of a JPEG
ROOM_FOR_TAGS = 2_000
TEXT_XMP = "XML:com.adobe.xmp"
THUMBNAIL_PX = 160
BAYER = np.array(
    [[0, 32, 8, 40, 2, 34, 10, 42], [48, 16, 56, 24, 50, 18, 58, 26], [12, 44, 4, 36, 14, 46, 6, 38],
     [60, 28, 52, 20, 62, 30, 54, 22], [3, 35, 11, 43, 1, 33, 9, 41], [51, 19, 59, 27, 49, 17, 57, 25],
     [15, 47, 7, 39, 13, 45, 5, 37], [63, 31, 55, 23, 61, 29, 53, 21]]
)  # fmt: skip


def encode_enhanced(
    original: Original, enhanced_hwc: np.ndarray, kind: str, note: str, quality: int | None = None
) -> bytes | bytearray:
    """Encode what became of an original, with what it carries and a note of who did it.

    kind: Pillow's name of a format. quality: 1–100, else what the original has, or 95.
    Carried: EXIF (orientation, size and thumbnail as they are now), XMP, IPTC, profile, density, comment and
    texts; alpha and 16 bits where the format has them, else laid over white, and dithered.
    """
    block = _block(original, enhanced_hwc, note)
    pixels, alpha = enhanced_hwc, original.alpha_hw
    if kind not in ("PNG", "TIFF"):
        pixels, alpha = _to_8_bits(pixels), None if alpha is None else _to_8_bits(alpha)
    if kind == "JPEG" and alpha is not None:
        pixels, alpha = _over_white(pixels, alpha), None
    if alpha is not None:
        pixels = np.concatenate([pixels, alpha.astype(pixels.dtype, copy=False)[..., None]], -1)
    if kind == "TIFF":
        return encode_tiff(pixels, _tiff_block(block, original))
    exif = _exif(block, enhanced_hwc)
    if pixels.dtype == np.uint16:
        return encode_deep_png(pixels, _png_chunks(original, exif))
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    image.save(file, kind, **_options(original, kind, exif, quality))
    return file.getvalue()


def _block(original: Original, enhanced_hwc: np.ndarray, note: str) -> ExifBlock:
    height, width, _ = enhanced_hwc.shape
    try:
        block = ExifBlock(original.exif) if original.exif else ExifBlock()
        block.set_size(width, height)
    except (ValueError, struct.error):
        block = ExifBlock()
    for tag, size in ((WIDTH, width), (HEIGHT, height)):
        if tag in block.tags:
            block.set(tag, "long", size)
    if ORIENTATION in block.tags:
        block.set(ORIENTATION, "short", 1)
    before = block.text(SOFTWARE).split("; wespe ")[0].strip()
    block.set(SOFTWARE, "ascii", f"{before}; {note}" if before and not before.startswith("wespe ") else note)
    return block


def _exif(block: ExifBlock, enhanced_hwc: np.ndarray) -> bytes:
    """The block for other formats than TIFF, with a new thumbnail if there was one and it fits."""
    block.tags.pop(IPTC_TAG, None)
    thumbnail = _thumbnail(enhanced_hwc) if block.had_thumbnail else b""
    if len(block.data) + len(thumbnail) + ROOM_FOR_TAGS > MAX_SEGMENT:
        thumbnail = b""
    return bytes(block.finished(thumbnail))


def _tiff_block(block: ExifBlock, original: Original) -> ExifBlock:
    for tag, content in (
        (XMP_TAG, _upright(original.xmp)),
        (PHOTOSHOP_TAG, original.photoshop),
        (PROFILE_TAG, original.profile),
    ):
        block.tags.pop(tag, None)
        if content:
            block.set(tag, "undefined", content)
    if original.dpi and X_DENSITY not in block.tags:
        for tag, density in zip((X_DENSITY, Y_DENSITY), original.dpi, strict=True):
            block.set(tag, "rational", round(density * 1000), 1000)
        block.set(DENSITY_UNIT, "short", PER_INCH)
    return block


def _options(original: Original, kind: str, exif: bytes, quality: int | None) -> dict[str, Any]:
    options: dict[str, Any] = {"exif": PREFIX + exif, "icc_profile": original.profile or None}
    xmp = _upright(original.xmp)
    if kind == "PNG":
        return options | {"pnginfo": _png_texts(original, xmp), "dpi": original.dpi}
    if kind != "JPEG":
        lossless = original.layout.get("lossless", False) if kind == "WEBP" and quality is None else False
        return options | {"xmp": xmp, "quality": quality or (100 if lossless else 95), "lossless": lossless}
    options |= {"extra": _segments(original), "comment": original.comment}
    if original.dpi:
        options["dpi"] = original.dpi
    if len(xmp) <= MAX_SEGMENT - 40:
        options["xmp"] = xmp
    if quality is None and "qtables" in original.layout:
        return options | original.layout
    return options | {"quality": quality or 95, "subsampling": original.layout.get("subsampling", 0)}


def _segments(original: Original) -> bytes:
    """JPEG segments that Pillow has no option for."""
    contents = [(0xE1, content) for content in original.more_xmp]
    if original.photoshop:
        contents.append((0xED, PHOTOSHOP + original.photoshop))
    segments = b""
    for marker, content in contents:
        if len(content) <= MAX_SEGMENT:
            segments += bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content
    return segments


def _png_texts(original: Original, xmp: bytes) -> PngImagePlugin.PngInfo:
    texts = PngImagePlugin.PngInfo()
    for key, text in original.texts.items():
        texts.add_itxt(key, text) if not text.isascii() else texts.add_text(key, text)
    if xmp:
        texts.add_itxt(TEXT_XMP, xmp.decode("utf-8", "replace"))
    return texts


def _png_chunks(original: Original, exif: bytes) -> list[tuple[bytes, bytes]]:
    """What Pillow would write around 8 bits."""
    chunks = [
        (bytes(name), bytes(content))
        for name, content, *_ in _png_texts(original, _upright(original.xmp)).chunks
    ]
    chunks.append((b"eXIf", exif))
    if original.profile:
        chunks.insert(0, (b"iCCP", b"ICC Profile\0\0" + zlib.compress(original.profile)))
    if original.dpi:
        per_metre = (round(density / 0.0254) for density in original.dpi)
        chunks.append((b"pHYs", struct.pack(">IIB", *per_metre, 1)))
    return chunks


def _upright(xmp: bytes) -> bytes:
    """XMP may repeat the orientation, as an attribute or an element."""
    return re.sub(rb"(tiff:Orientation(?:=[\"']|>))[2-8](?=[\"'<])", rb"\g<1>1", xmp)


def _thumbnail(enhanced_hwc: np.ndarray) -> bytes:
    step = max(1, max(enhanced_hwc.shape) // (4 * THUMBNAIL_PX))
    image = Image.fromarray(_to_8_bits(np.ascontiguousarray(enhanced_hwc[::step, ::step])))
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return file.getvalue()


def _to_8_bits(pixels: np.ndarray) -> np.ndarray:
    """16 bits dithered to 8 by a pattern, so that a smooth sky has no steps."""
    if pixels.dtype == np.uint8:
        return pixels
    height, width = pixels.shape[:2]
    eight = np.empty(pixels.shape, np.uint8)
    pattern = np.tile((BAYER + 0.5) / 64, (1, width // 8 + 1))[:, :width]
    for top in range(0, height, 8):
        rows = pixels[top : top + 8]
        threshold = pattern[: len(rows)].reshape(len(rows), width, *[1] * (pixels.ndim - 2))
        eight[top : top + 8] = rows / 257 + threshold
    return eight


def _over_white(pixels_hwc: np.ndarray, alpha_hw: np.ndarray) -> np.ndarray:
    share = alpha_hw[..., None] / np.float32(255)
    return (pixels_hwc * share + 255 * (1 - share)).round().astype(np.uint8)
