"""TIFF 6.0 and BigTIFF; the photo's tags are copied byte by byte."""

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import tifffile

from pipeline.errors import PhotoError
from pipeline.photos.exif_block import UPRIGHT, ExifBlock
from pipeline.photos.exif_tree import Tree, packed, read_tree
from pipeline.photos.original import Channels, Metadata, Samples
from pipeline.photos.photoshop import iptc_of, iptc_resource
from pipeline.photos.pixels import first_of, unassociated, whole_range
from pipeline.photos.size_limit import require_memory
from pipeline.photos.writing import EncodedPhoto, Picture

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
STRIP_ROWS = 64
XMP, IPTC, PHOTOSHOP, PROFILE, LAYERS = 700, 33723, 34377, 34675, 37724
X_DENSITY, Y_DENSITY, DENSITY_UNIT, INCH, CENTIMETRE = 282, 283, 296, 2, 3
# Tags that describe the layout of pixels, not the photo; and Photoshop's layers, which show the original.
LAYOUT = {254, 255, *range(256, 260), 262, 263, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 301}
LAYOUT |= {317, 318, 319, *range(320, 326), 330, 332, *range(338, 344), 347, 512, 513, 514, *range(529, 533)}
LAYOUT |= {LAYERS}
APART = {XMP, IPTC, PHOTOSHOP, PROFILE}
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, INKS, YCBCR = 0, 1, 2, 3, 5, 6
KINDS: dict[int, tuple[int, Channels]] = {WHITE_IS_ZERO: (1, "L"), BLACK_IS_ZERO: (1, "L"), RGB: (3, "RGB")}
KINDS |= {PALETTE: (1, "RGB"), INKS: (4, "CMYK"), YCBCR: (3, "RGB")}
WITH_ALPHA: dict[Channels, Channels] = {"L": "LA", "RGB": "RGBA"}
ASSOCIATED, UNASSOCIATED = 1, 2
JPEG_COMPRESSIONS = (6, 7)
REDUCED = 1  # bit of NewSubfileType that marks a preview


def begins(data: bytes) -> bool:
    return data[:4] in SIGNATURES


def read(data: bytes, max_pixels: float) -> Samples:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        pages = [page for page in file.pages if isinstance(page, tifffile.TiffPage)]
        full = [page for page in pages if not _number(page, 254) & REDUCED] or pages
        page = full[0]
        require_memory(page.imagewidth, page.imagelength, min(page.bitspersample, 16))
        values, channels, warnings = _samples(page)
    tree = _tree(data)
    return Samples(
        values_hwc=values,
        channels=channels,
        profile=tree.bytes_of(PROFILE),
        metadata=_metadata(tree),
        warnings=warnings + first_of(len(full)) + _layers(tree),
    )


def read_exif(data: bytes) -> bytes:
    return _exif(_tree(data))


def write(picture: Picture) -> EncodedPhoto:
    """Encode uint8 or uint16, gray or RGB, with or without alpha; compressed by deflate with a predictor."""
    values = picture.values_hwc
    height, width, channels = values.shape
    block, bits = _block(picture), values.dtype.itemsize * 8
    offsets, sizes = [], []
    for strip in _strips(values):
        strip[:, 1:] -= strip[:, :-1].copy()
        deflated = zlib.compress(strip.astype(f"{block.order}u{bits // 8}").tobytes())
        offsets.append(block.append(deflated))
        sizes.append(len(deflated))
    block.set(256, "long", width)
    block.set(257, "long", height)
    block.set(258, "short", *[bits] * channels)
    block.set(259, "short", 8)  # deflate
    block.set(262, "short", RGB if channels > 2 else BLACK_IS_ZERO)
    block.set(273, "long", *offsets)
    block.set(274, "short", UPRIGHT)
    block.set(277, "short", channels)
    block.set(278, "long", STRIP_ROWS)
    block.set(279, "long", *sizes)
    block.set(284, "short", 1)  # interleaved channels
    block.set(317, "short", 2)  # horizontal predictor
    if channels in (2, 4):
        block.set(338, "short", UNASSOCIATED)
    return EncodedPhoto(data=block.finished())


def _samples(page: tifffile.TiffPage) -> tuple[np.ndarray, Channels, tuple[str, ...]]:
    """Return values over the full range, with black as 0 and alpha not premultiplied (§"Baseline fields")."""
    photometric, bits = int(page.photometric or 0), page.bitspersample
    _check(page, photometric, bits)
    values = _stored(page)
    if photometric == PALETTE and page.colormap is not None:
        # Palettes should have 16 bits; some programs write 8.
        palette = page.colormap if page.colormap.max() < 256 else page.colormap >> 8
        values, bits = palette[:, values[..., 0]].transpose(1, 2, 0), 8
    values = whole_range(values, bits)
    if photometric == WHITE_IS_ZERO:
        values = np.concatenate([np.iinfo(values.dtype).max - values[..., :1], values[..., 1:]], -1)
    colours, channels = KINDS[photometric]
    if photometric == PALETTE:
        return values, channels, ()
    return _with_alpha(values, colours, channels, [int(kind) for kind in page.extrasamples])


def _check(page: tifffile.TiffPage, photometric: int, bits: int) -> None:
    """Raise PhotoError for unsupported samples, such as those without a defined black and white."""
    kinds = {3: "floating-point", 2: "signed", 5: "complex"}
    if kind := kinds.get(int(page.sampleformat)):
        raise PhotoError(f"{kind} pixels are unsupported; save it with 8 or 16 bits")
    if photometric not in KINDS:
        name = getattr(page.photometric, "name", photometric)
        raise PhotoError(f"TIFF with {name} colours is unsupported; save it as RGB or gray")
    if bits > 32:
        raise PhotoError(f"{bits} bits per sample are unsupported; save it with 8 or 16 bits")
    if photometric == YCBCR and page.compression not in JPEG_COMPRESSIONS:
        raise PhotoError("TIFF with YCbCr colours without JPEG compression is unsupported; save it as RGB")


def _stored(page: tifffile.TiffPage) -> np.ndarray:
    """Return stored values (h, w, channels), from interleaved or separate channels."""
    try:
        values = page.asarray()
    except ValueError as error:
        if "imagecodecs" in str(error):
            raise PhotoError("this TIFF compression is unsupported; save it with LZW or deflate") from None
        raise
    axes = page.axes
    if axes not in ("YX", "YXS", "SYX"):
        raise PhotoError(f"TIFF with more than two dimensions ({axes}) is unsupported; save one picture")
    if axes == "SYX":
        values = values.transpose(1, 2, 0)
    return values.reshape(*values.shape[:2], -1) if axes == "YX" else values


def _with_alpha(
    values: np.ndarray, colours: int, channels: Channels, extras: list[int]
) -> tuple[np.ndarray, Channels, tuple[str, ...]]:
    """Keep alpha, but no other extra channels, which may be infrared or masks."""
    kinds = (extras + [0] * values.shape[2])[: values.shape[2] - colours]
    alpha = next((number for number, kind in enumerate(kinds) if kind in (ASSOCIATED, UNASSOCIATED)), None)
    dropped = len(kinds) - (alpha is not None)
    warnings: tuple[str, ...] = ()
    if dropped:
        warnings = (f"{dropped} of its channels are neither colour nor alpha, and were not kept",)
    colour = values[..., :colours]
    if alpha is None or channels not in WITH_ALPHA:
        return np.ascontiguousarray(colour), channels, warnings
    share = values[..., colours + alpha : colours + alpha + 1]
    if kinds[alpha] == ASSOCIATED:
        colour = unassociated(colour, share)
    return np.concatenate([colour, share], -1), WITH_ALPHA[channels], warnings


def _number(page: tifffile.TiffPage, tag: int) -> int:
    found = page.tags.get(tag)
    return int(found.value) if found is not None and isinstance(found.value, int) else 0


def _tree(data: bytes) -> Tree:
    try:
        return read_tree(data, frozenset(LAYOUT - {LAYERS}))
    except ValueError:
        return Tree("<", {})


def _layers(tree: Tree) -> tuple[str, ...]:
    return ("its Photoshop layers were not kept",) if LAYERS in tree.tags else ()


def _metadata(tree: Tree) -> Metadata:
    return Metadata(
        exif=_exif(tree),
        xmp=tree.bytes_of(XMP).rstrip(b"\0"),
        photoshop=tree.bytes_of(PHOTOSHOP) or iptc_resource(tree.bytes_of(IPTC)),
        dpi=_dpi(tree),
    )


def _exif(tree: Tree) -> bytes:
    """Return an EXIF block with the tags that describe the photo."""
    about = {tag: entry for tag, entry in tree.tags.items() if tag not in LAYOUT | APART}
    return packed(Tree(tree.order, about)) if about else b""


def _dpi(tree: Tree) -> tuple[float, float] | None:
    unit = tree.number_of(DENSITY_UNIT, INCH)
    ratios = [tree.bytes_of(tag) for tag in (X_DENSITY, Y_DENSITY)]
    if unit not in (INCH, CENTIMETRE) or any(len(ratio) != 8 for ratio in ratios):
        return None
    parts = [struct.unpack(f"{tree.order}II", ratio) for ratio in ratios]
    if any(below == 0 for _, below in parts):
        return None
    across, down = (above / below * (2.54 if unit == CENTIMETRE else 1) for above, below in parts)
    return across, down


def _block(picture: Picture) -> ExifBlock:
    metadata = picture.metadata
    block = ExifBlock(metadata.exif) if metadata.exif else ExifBlock()
    iptc = iptc_of(metadata.photoshop)
    contents = {XMP: metadata.xmp, IPTC: iptc, PHOTOSHOP: metadata.photoshop, PROFILE: picture.profile}
    if metadata.photoshop == iptc_resource(iptc):
        contents[PHOTOSHOP] = b""  # it contains nothing besides IPTC
    for tag, content in contents.items():
        block.tags.pop(tag, None)
        if content:
            block.set(tag, "undefined", content)
    if metadata.dpi and X_DENSITY not in block.tags:
        for tag, density in zip((X_DENSITY, Y_DENSITY), metadata.dpi, strict=True):
            block.set(tag, "rational", round(density * 1000), 1000)
        block.set(DENSITY_UNIT, "short", INCH)
    return block


def _strips(values_hwc: np.ndarray) -> Iterator[np.ndarray]:
    for top in range(0, len(values_hwc), STRIP_ROWS):
        yield values_hwc[top : top + STRIP_ROWS].copy()
