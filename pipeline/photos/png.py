"""PNG (third edition, W3C 2025), with its colour space and metadata chunks."""

import io
import struct
import zlib
from collections.abc import Iterator

import imagecodecs
import numpy as np
from PIL import Image

from pipeline.errors import PhotoError
from pipeline.photos.cicp import profile_of
from pipeline.photos.exif import PREFIX
from pipeline.photos.icc import D65, SRGB_PRIMARIES, gamma_curve, gray_profile, rgb_profile
from pipeline.photos.original import Channels, Metadata, Samples
from pipeline.photos.photoshop import iptc_resource
from pipeline.photos.pixels import first_of, of_array, of_pillow
from pipeline.photos.size_limit import require_memory
from pipeline.photos.writing import EncodedPhoto, Picture

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER_END = 33  # after the signature and IHDR
XMP_KEY = b"XML:com.adobe.xmp"
RESOURCES_KEY = b"Raw profile type iptc"
PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
GRAY_TYPES = (0, 4)
MOST_TEXT_BYTES = 2**26
SRGB_GAMMA, SRGB_CHROMATICITIES = 45_455, (31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)
INCH_M = 0.0254
Chunk = tuple[bytes, bytes]


def begins(data: bytes) -> bool:
    return data.startswith(SIGNATURE)


def read(data: bytes, max_pixels: float) -> Samples:
    width, height, bits, colour_type = struct.unpack_from(">IIBB", data, 16)
    require_memory(width, height, bits)
    chunks = list(_chunks(data))
    last = dict(chunks)
    profile, warnings = _profile(last, gray=colour_type in GRAY_TYPES)
    values, channels = _deep(chunks) if bits == 16 else _shallow(data)
    exif, xmp, photoshop, texts = _about(chunks)
    frames = struct.unpack_from(">I", last[b"acTL"])[0] if len(last.get(b"acTL", b"")) == 8 else 1
    return Samples(
        values_hwc=values,
        channels=channels,
        profile=profile,
        metadata=Metadata(
            exif=exif, xmp=xmp, photoshop=photoshop, texts=texts, dpi=_dpi(last.get(b"pHYs", b""))
        ),
        warnings=warnings + first_of(frames),
    )


def read_exif(data: bytes) -> bytes:
    return _about(list(_chunks(data)))[0]


def write(picture: Picture) -> EncodedPhoto:
    """Encode 8 or 16 bits, gray or RGB, with or without alpha."""
    values = picture.values_hwc[..., 0] if picture.values_hwc.shape[2] == 1 else picture.values_hwc
    deep = values.dtype == np.uint16
    # For 16 bits, the fastest setting whose files are not larger than others'.
    fast = {"level": 4, "filter": imagecodecs.PNG.FILTER.PAETH} if deep else {"level": 6}
    encoded = imagecodecs.png_encode(np.ascontiguousarray(values), **fast)
    chunks = b"".join(_packed(kind, content) for kind, content in _written(picture))
    return EncodedPhoto(data=b"".join((encoded[:HEADER_END], chunks, encoded[HEADER_END:])))


def _chunks(data: bytes) -> Iterator[Chunk]:
    """Yield chunks up to the end or to a damaged one, which the decoder will report."""
    place = len(SIGNATURE)
    while place + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        if place + 12 + size > len(data):
            return
        yield kind, data[place + 8 : place + 8 + size]
        place += 12 + size


def _packed(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def _deep(chunks: list[Chunk]) -> tuple[np.ndarray, Channels]:
    # Other chunks only make libpng print warnings.
    kept = [_packed(kind, content) for kind, content in chunks if kind in PIXEL_CHUNKS]
    return of_array(imagecodecs.png_decode(SIGNATURE + b"".join(kept)))


def _shallow(data: bytes) -> tuple[np.ndarray, Channels]:
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        image.load()
        return of_pillow(image)


def _profile(chunks: dict[bytes, bytes], gray: bool) -> tuple[bytes, tuple[str, ...]]:
    """Return the profile, in order of precedence (§4.3): cICP, iCCP, sRGB, then gAMA with cHRM."""
    if len(code := chunks.get(b"cICP", b"")) == 4:
        primaries, transfer, matrix, full_range = code
        if matrix or full_range != 1:
            raise PhotoError("video levels in its cICP chunk are not supported; export it as sRGB")
        return profile_of(primaries, transfer), ()
    if packed := chunks.get(b"iCCP"):
        return _inflated(packed.partition(b"\0")[2][1:]) or b"damaged", ()
    if b"sRGB" in chunks or len(chunks.get(b"gAMA", b"")) != 4:
        return b"", ()
    return _of_gamma(struct.unpack(">I", chunks[b"gAMA"])[0], chunks.get(b"cHRM", b""), gray)


def _of_gamma(gamma: int, chromaticities: bytes, gray: bool) -> tuple[bytes, tuple[str, ...]]:
    """Return a profile for gAMA and cHRM. The specification's values for sRGB mean sRGB (§11.3.2.5)."""
    primaries = struct.unpack(">8I", chromaticities) if len(chromaticities) == 32 else SRGB_CHROMATICITIES
    is_srgb = all(abs(one - other) <= 100 for one, other in zip(primaries, SRGB_CHROMATICITIES, strict=True))
    if gamma == 0:
        return b"", ("its gAMA chunk is invalid: its colours are treated as sRGB",)
    if gamma == SRGB_GAMMA and (is_srgb or gray):
        return b"", ()
    curve = gamma_curve(100_000 / gamma)
    if gray:
        return gray_profile(curve), ()
    if is_srgb:
        return rgb_profile(curve, SRGB_PRIMARIES, D65), ()
    white, *others = ((x / 1e5, y / 1e5) for x, y in zip(primaries[::2], primaries[1::2], strict=True))
    try:
        return rgb_profile(curve, tuple(others), white), ()
    except (ValueError, struct.error):
        return b"", ("its cHRM chunk is invalid: its colours are treated as sRGB",)


def _about(chunks: list[Chunk]) -> tuple[bytes, bytes, bytes, tuple[Chunk, ...]]:
    """Return EXIF, XMP, Photoshop's resources and other texts; decode ImageMagick's hexadecimal chunks."""
    found = {b"exif": b"", b"xmp": b"", b"8bim": b"", b"iptc": b""}
    texts, exif = [], next((content for kind, content in chunks if kind == b"eXIf"), b"")
    for kind, content in chunks:
        if kind not in TEXT_CHUNKS:
            continue
        key, _, rest = content.partition(b"\0")
        if kind == b"iTXt" and key == XMP_KEY:
            found[b"xmp"] = _international(rest)
        elif key.lower().startswith(b"raw profile type "):
            name = key[len(b"raw profile type ") :].lower()
            raw = _raw_profile(_inflated(rest[1:]) if kind == b"zTXt" else rest)
            name = (
                b"xmp"
                if name == b"app1" and b"adobe.com/xap" in raw[:40]
                else {b"app1": b"exif"}.get(name, name)
            )
            if name in found:
                found[name] = raw.partition(b"\0")[2] if raw.startswith(b"http://ns.adobe.com/xap") else raw
        else:
            texts.append((kind, content))
    photoshop = found[b"8bim"] or _resources(found[b"iptc"])
    exif = (exif or found[b"exif"]).removeprefix(PREFIX)
    return exif, found[b"xmp"], photoshop, tuple(texts)


def _resources(iptc: bytes) -> bytes:
    """Return resources: ImageMagick's `iptc` chunk contains resources, that of other programs plain IPTC."""
    return iptc if iptc.startswith(b"8BIM") else iptc_resource(iptc)


def _raw_profile(text: bytes) -> bytes:
    """Decode hexadecimal bytes after a name and a length; b'' if damaged."""
    try:
        _, _, length, *digits = text.split(b"\n", 3)
        return bytes.fromhex(b"".join(digits).decode("ascii"))[: int(length)]
    except ValueError:
        return b""


def _hexadecimal(name: bytes, raw: bytes) -> bytes:
    """Encode bytes like ImageMagick, which ExifTool can read; PNG itself does not support IPTC."""
    digits = raw.hex().encode()
    lines = [digits[start : start + 72] for start in range(0, len(digits), 72)]
    return b"\n%s\n%8d\n" % (name, len(raw)) + b"\n".join(lines) + b"\n"


def _international(rest: bytes) -> bytes:
    """Return the text of an iTXt chunk after its key."""
    text = b"".join(rest[2:].split(b"\0", 2)[2:])  # after its language and its translated key
    return _inflated(text) if rest[:1] == b"\1" else text


def _inflated(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, MOST_TEXT_BYTES)
    except zlib.error:
        return b""


def _dpi(content: bytes) -> tuple[float, float] | None:
    if len(content) != 9 or content[8] != 1:
        return None
    across, down = struct.unpack_from(">II", content)
    return across * INCH_M, down * INCH_M


def _written(picture: Picture) -> Iterator[Chunk]:
    metadata = picture.metadata
    if picture.profile:
        yield b"iCCP", b"ICC Profile\0\0" + zlib.compress(picture.profile)
    if metadata.dpi:
        across, down = (min(round(density / INCH_M), 2**31 - 1) for density in metadata.dpi)
        yield b"pHYs", struct.pack(">IIB", across, down, 1)
    if metadata.exif:
        yield b"eXIf", metadata.exif
    if metadata.xmp:
        yield b"iTXt", XMP_KEY + bytes(5) + metadata.xmp
    if metadata.photoshop:
        yield b"zTXt", RESOURCES_KEY + b"\0\0" + zlib.compress(_hexadecimal(b"iptc", metadata.photoshop))
    for comment in metadata.comments:
        yield b"iTXt", b"Comment" + bytes(5) + _utf8(comment)
    yield from metadata.texts


def _utf8(text: bytes) -> bytes:
    try:
        text.decode()
        return text
    except UnicodeDecodeError:
        return text.decode("latin-1").encode()
