"""Encodes enhanced photos, with the original's metadata, updated where necessary."""

import io
import struct
from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from pipeline.errors import PhotoError
from pipeline.photos import xmp
from pipeline.photos.codecs import WRITERS
from pipeline.photos.dithering import dithered
from pipeline.photos.exif import facts
from pipeline.photos.exif_block import ORIENTATION, SOFTWARE, UPRIGHT, ExifBlock
from pipeline.photos.formats import BY_NAME, Format
from pipeline.photos.icc import gray_profile, read_profile, rgb_profile, sampled_curve
from pipeline.photos.original import Metadata, Original
from pipeline.photos.photoshop import without_thumbnail
from pipeline.photos.writing import EncodedPhoto, Picture

WIDTH, HEIGHT, SUBJECT_AREA, SUBJECT_LOCATION = 256, 257, 0x9214, 0xA214
THUMBNAIL_PX = 160
NO_ROOM = "its EXIF block is full (64 KB): the note about wespe was written to a comment instead"
MOST_EXIF_BYTES, ROOM_FOR_TAGS = 65_527, 2_000  # limit of JPEG; space for the tags that are added
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as JPEG's
STRIP_ROWS = 256


def require_room(kind: str, height: int, width: int) -> None:
    """Raise PhotoError if a format does not support a photo of this size; call it before the work."""
    most_px = BY_NAME[kind].most_px
    if max(height, width) > most_px:
        raise PhotoError(
            f"{width}×{height} px: {kind} supports at most {most_px} px a side; use --max-megapixels or "
            "--format"
        )


def encode_enhanced(
    original: Original, enhanced_hwc: np.ndarray, kind: str, note: str, quality: int | None = None
) -> EncodedPhoto:
    """Encode an enhanced photo with the original's metadata and a note about the model.

    kind: a name in formats.BY_NAME. quality: 1–100; None for the original's, or 95.
    EXIF, XMP, IPTC, profile, resolution, comments and texts are kept, and updated if they no longer apply. If
    the format does not support gray, alpha or 16 bits, the photo is converted to RGB, composited over white,
    or dithered.
    """
    format, (height, width, _) = BY_NAME[kind], enhanced_hwc.shape
    exif, warnings = _exif(original, enhanced_hwc, note, kind)
    metadata = replace(
        original.metadata,
        exif=exif,
        xmp=xmp.corrected(original.metadata.xmp, width, height),
        photoshop=without_thumbnail(original.metadata.photoshop),
        dpi=_sensible(original.metadata),
        comments=(*original.metadata.comments, *([note.encode()] if NO_ROOM in warnings else [])),
    )
    values, gray = _values(original, enhanced_hwc, format)
    picture = Picture(
        values_hwc=values,
        profile=_profile_for(original, gray),
        metadata=metadata,
        layout=original.layout if kind == original.kind or kind == "JPEG" else {},
        quality=quality,
    )
    encoded = WRITERS[kind](picture)
    return EncodedPhoto(data=encoded.data, warnings=(*warnings, *encoded.warnings))


def _values(original: Original, enhanced_hwc: np.ndarray, format: Format) -> tuple[np.ndarray, bool]:
    """Return samples that the format supports, and whether they are gray."""
    gray, alpha = original.gray and format.gray, original.alpha_hw
    if alpha is not None and not format.alpha:
        enhanced_hwc, alpha = _over_white(enhanced_hwc, original), None
    pixels = _gray(enhanced_hwc) if original.gray else enhanced_hwc
    if original.gray and not gray:
        pixels = pixels.repeat(3, 2)
    if not format.deep:
        pixels, alpha = dithered(pixels), None if alpha is None else dithered(alpha)
    if alpha is None:
        return pixels, gray
    return np.concatenate([pixels, alpha.astype(pixels.dtype, copy=False)[..., None]], -1), gray


def _gray(photo_hwc: np.ndarray) -> np.ndarray:
    """Convert to one channel, in strips, since a large photo in floats needs too much memory."""
    gray = np.empty((*photo_hwc.shape[:2], 1), photo_hwc.dtype)
    for top in range(0, len(photo_hwc), STRIP_ROWS):
        gray[top : top + STRIP_ROWS, :, 0] = (photo_hwc[top : top + STRIP_ROWS] @ LUMA).round()
    return gray


def _profile_for(original: Original, gray: bool) -> bytes:
    """Return the original's profile, or one with the same curve if the number of channels has changed."""
    if not original.profile:
        return b""
    profile = read_profile(original.profile)
    if profile.curves is None or (profile.space == "GRAY") == gray:
        return original.profile
    curve = sampled_curve(profile.curves[len(profile.curves) // 2])
    return gray_profile(curve) if gray else rgb_profile(curve)


def _exif(
    original: Original, enhanced_hwc: np.ndarray, note: str, kind: str
) -> tuple[bytes, tuple[str, ...]]:
    """Return the updated block with a note, and a new thumbnail if there was one and it fits.

    JPEG supports 64 KB; if only the note does not fit, it is left out.
    """
    exif = original.metadata.exif
    try:
        block = _corrected(
            exif, enhanced_hwc, moved=original.is_reduced or facts(exif).orientation != UPRIGHT
        )
    except (ValueError, struct.error):
        return _noted(ExifBlock(), note), ("its EXIF is damaged and was not kept",)
    small = _thumbnail(enhanced_hwc) if kind != "TIFF" and block.had_thumbnail else b""
    if len(block.data) + len(small) + ROOM_FOR_TAGS > MOST_EXIF_BYTES:
        small = b""
    noted = _noted(block, note, small)
    if kind == "JPEG" and len(noted) > MOST_EXIF_BYTES >= len(exif):
        return bytes(_corrected(exif, enhanced_hwc, moved=True).finished()), (NO_ROOM,)
    return noted, ()


def _corrected(exif: bytes, enhanced_hwc: np.ndarray, moved: bool) -> ExifBlock:
    """Return the block with this photo's size and orientation 1; remove positions if pixels have moved.

    Raises ValueError or struct.error if it is damaged.
    """
    height, width, _ = enhanced_hwc.shape
    block = ExifBlock(exif) if exif else ExifBlock()
    block.set_size(width, height)
    if moved:
        block.remove_details(SUBJECT_AREA, SUBJECT_LOCATION)
    for tag, size in ((WIDTH, width), (HEIGHT, height)):
        if tag in block.tags:
            block.set(tag, "long", size)
    if ORIENTATION in block.tags:
        block.set(ORIENTATION, "short", UPRIGHT)
    return block


def _noted(block: ExifBlock, note: str, thumbnail: bytes = b"") -> bytes:
    before = block.text(SOFTWARE).split("; wespe ")[0].strip()
    block.set(SOFTWARE, "ascii", f"{before}; {note}" if before and not before.startswith("wespe ") else note)
    return bytes(block.finished(thumbnail))


def _sensible(metadata: Metadata) -> tuple[float, float] | None:
    """Return the resolution, or None if it is implausible."""
    return metadata.dpi if metadata.dpi and all(1 <= density < 1e6 for density in metadata.dpi) else None


def _thumbnail(enhanced_hwc: np.ndarray) -> bytes:
    step = max(1, max(enhanced_hwc.shape) // (4 * THUMBNAIL_PX))
    image = Image.fromarray(dithered(np.ascontiguousarray(enhanced_hwc[::step, ::step])))
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return file.getvalue()


def _over_white(enhanced_hwc: np.ndarray, original: Original) -> np.ndarray:
    """Composite a result over white in sRGB values, like `Original.srgb_hwc`."""
    assert original.alpha_hw is not None
    laid, levels = np.empty_like(enhanced_hwc), np.iinfo(enhanced_hwc.dtype).max
    for top in range(0, len(laid), STRIP_ROWS):
        strip, colours = slice(top, top + STRIP_ROWS), original.colours
        share = (
            torch.from_numpy(original.alpha_hw[strip].astype(np.float32))
            / np.iinfo(original.alpha_hw.dtype).max
        )
        values = torch.from_numpy(enhanced_hwc[strip].astype(np.float32) / levels).permute(2, 0, 1)[None]
        srgb = colours.srgb(values) if colours else values
        srgb = srgb * share + (1 - share)
        values = colours.native(srgb) if colours else srgb
        laid[strip] = (values[0].permute(1, 2, 0).numpy() * levels).round()
    return laid
