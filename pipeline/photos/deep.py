"""16 bits a channel, which Pillow does not have in colour: PNG and TIFF, written strip by strip."""

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from pipeline.errors import PhotoError
from pipeline.photos.exif_block import ExifBlock

STRIP_ROWS = 64
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # of PNG, by channels
UPRIGHT = 1


def decode_deep_png(data: bytes) -> np.ndarray:
    """Decode to uint16 (h, w, 1–4 channels)."""
    try:
        from imagecodecs import png_decode
    except ImportError:
        raise PhotoError("a PNG of 16 bits needs a package: pip install imagecodecs") from None
    return _with_channels(png_decode(data))


def decode_deep_tiff(data: bytes) -> np.ndarray:
    """Decode the first picture to uint16 (h, w, channels). Raises PhotoError for a rare compression."""
    import tifffile

    try:
        page = tifffile.TiffFile(io.BytesIO(data)).pages.first
        pixels = page.asarray()
    except ValueError as error:
        if "imagecodecs" in str(error):
            raise PhotoError("a TIFF compressed like this needs a package: pip install imagecodecs") from None
        raise
    if page.planarconfig == 2 and pixels.ndim == 3:
        pixels = pixels.transpose(1, 2, 0)
    return _with_channels(pixels)


def encode_deep_png(pixels_hwc: np.ndarray, chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Encode uint16 with further chunks (kind, content) before the pixels."""
    height, width, channels = pixels_hwc.shape
    head = struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPES[channels], 0, 0, 0)
    file = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    file.seek(8)
    for kind, content in [(b"IHDR", head), *chunks]:
        _write_chunk(file, kind, content)
    packer, above = zlib.compressobj(), np.zeros((1, width * channels * 2), np.uint8)
    for strip in _strips(pixels_hwc):
        rows = strip.astype(">u2").reshape(len(strip), -1).view(np.uint8)
        up = rows - np.concatenate([above, rows[:-1]])
        above = rows[-1:]
        packed = packer.compress(np.pad(up, ((0, 0), (1, 0)), constant_values=2).tobytes())
        if packed:
            _write_chunk(file, b"IDAT", packed)
    _write_chunk(file, b"IDAT", packer.flush())
    _write_chunk(file, b"IEND", b"")
    return file.getvalue()


def encode_tiff(pixels_hwc: np.ndarray, block: ExifBlock) -> bytearray:
    """Make of a block a TIFF of uint8 or uint16, RGB or RGB and alpha, deflated with differences."""
    height, width, channels = pixels_hwc.shape
    bits = pixels_hwc.dtype.itemsize * 8
    offsets, sizes = [], []
    for strip in _strips(pixels_hwc):
        strip[:, 1:] -= strip[:, :-1].copy()
        packed = zlib.compress(strip.astype(f"{block.order}u{bits // 8}").tobytes())
        offsets.append(block.append(packed))
        sizes.append(len(packed))
    block.set(256, "long", width)
    block.set(257, "long", height)
    block.set(258, "short", *[bits] * channels)
    block.set(259, "short", 8)  # deflate
    block.set(262, "short", 2)  # RGB
    block.set(273, "long", *offsets)
    block.set(274, "short", UPRIGHT)
    block.set(277, "short", channels)
    block.set(278, "long", STRIP_ROWS)
    block.set(279, "long", *sizes)
    block.set(284, "short", 1)  # channels beside each other
    block.set(317, "short", 2)  # differences
    if channels == 4:
        block.set(338, "short", 2)  # alpha that is not multiplied in
    return block.finished()


def _strips(pixels_hwc: np.ndarray) -> Iterator[np.ndarray]:
    for top in range(0, len(pixels_hwc), STRIP_ROWS):
        yield pixels_hwc[top : top + STRIP_ROWS].copy()


def _with_channels(pixels: np.ndarray) -> np.ndarray:
    return pixels.reshape(*pixels.shape[:2], -1).astype(np.uint16, copy=False)


def _write_chunk(file: io.BytesIO, kind: bytes, content: bytes) -> None:
    file.write(struct.pack(">I", len(content)) + kind + content)
    file.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(kind))))
