"""JPEG XL (ISO/IEC 18181), read and written with imagecodecs; colours and metadata are handled here."""

import struct

import imagecodecs
import numpy as np

from pipeline.errors import PhotoError
from pipeline.photos import bmff, jxl_colours, jxl_header
from pipeline.photos.colour_profile import Colours
from pipeline.photos.icc import STEPS, Chromaticity, primaries_under_d65, read_profile, srgb_profile
from pipeline.photos.original import Metadata, Samples
from pipeline.photos.pixels import of_array, unassociated
from pipeline.photos.size_limit import require_memory
from pipeline.photos.writing import EncodedPhoto, Picture, without_resources

CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
MOST_BYTES = 2**24  # of compressed metadata, which could expand without limit
EFFORT = 4  # the default takes five times as long, for files an eighth smaller
EMBEDDED = "its ICC profile cannot be read from JPEG XL; save it as PNG or TIFF, or with Display P3 or sRGB"
ANIMATED = "only the first of its frames is used"


def begins(data: bytes) -> bool:
    return data.startswith((CONTAINER, jxl_header.SIGNATURE))


def pixels(head: bytes) -> int:
    """Return the number of pixels, from the first bytes of a file. Raises ValueError if they are damaged."""
    header = jxl_header.read_header(_codestream(head))
    return header.width * header.height


def read(data: bytes, max_pixels: float) -> Samples:
    header = jxl_header.read_header(_codestream(data))
    require_memory(header.width, header.height, header.bits)
    if header.floating or header.bits > 16:
        raise PhotoError("floating-point pixels are unsupported; save it with 8 or 16 bits")
    if header.embedded:
        raise PhotoError(EMBEDDED)
    try:
        values, channels = of_array(imagecodecs.jpegxl_decode(data, index=0))
    except RuntimeError as error:
        raise PhotoError("a truncated or damaged JPEG XL; replace it by a whole copy") from error
    alpha = channels in ("LA", "RGBA")
    if alpha and header.associated:
        values = np.concatenate([unassociated(values[..., :-1], values[..., -1:]), values[..., -1:]], -1)
    lost = len(header.extras) - alpha
    warnings = (f"{lost} of its channels are neither colour nor alpha, and were not kept",) if lost else ()
    boxes = _metadata(data)
    return Samples(
        values_hwc=values,
        channels=channels,
        orientation=1,  # the decoder has applied it
        profile=header.profile,
        layout={} if header.absolute else {"fine": True},  # it may be lossless
        metadata=Metadata(exif=_exif(boxes), xmp=boxes.get(b"xml ", b"")),
        warnings=warnings + ((ANIMATED,) if header.animated else ()),
    )


def read_exif(data: bytes) -> bytes:
    return _exif(_metadata(data))


def write(picture: Picture) -> EncodedPhoto:
    """Encode uint8 or uint16, gray or RGB, with or without alpha; the curve of the values becomes sRGB's."""
    quality = picture.quality or (100 if picture.layout.get("fine") else 95)
    linear = _linear(picture)
    encoded = bytes(imagecodecs.jpegxl_encode(linear, distance=_distance(quality), effort=EFFORT))
    described = jxl_colours.described(
        _codestream(encoded), 8 * picture.values_hwc.dtype.itemsize, _primaries(picture)
    )
    metadata = picture.metadata
    boxes = [(b"ftyp", b"jxl \0\0\0\0jxl ")]
    boxes += [box for box in bmff.boxes(encoded) if box[0] == b"jxll"]  # the level that decoders must support
    boxes += [(b"Exif", bytes(4) + metadata.exif)] if metadata.exif else []
    boxes += [(b"xml ", metadata.xmp)] if metadata.xmp else []
    boxes += [(b"jxlc", described)]
    file = b"".join(struct.pack(">I4s", len(content) + 8, kind) + content for kind, content in boxes)
    return EncodedPhoto(data=CONTAINER + file, warnings=without_resources("JPEG XL", picture))


def _distance(quality: int) -> float:
    """Return libjxl's distance: 0.55 for quality 95; differences become visible from about 1."""
    return 0.01 if quality == 100 else 0.1 + (100 - quality) * 0.09


def _linear(picture: Picture) -> np.ndarray:
    """Return linear light of sRGB as float32, which imagecodecs expects; below 0 and above 1 outside sRGB."""
    values, space = picture.values_hwc, Colours.of(picture.profile or srgb_profile())
    assert space is not None, "profiles of tables are converted to sRGB before"
    levels, colours = np.iinfo(values.dtype).max, values.shape[2] - (values.shape[2] in (2, 4))
    linear = np.empty(values.shape, np.float32)
    for number in range(colours):
        linear[..., number] = space.curves[number, :: (STEPS - 1) // levels].numpy().take(values[..., number])
    linear[..., colours:] = values[..., colours:] / np.float32(levels)
    if colours == 3 and picture.profile:
        for top in range(len(linear)):  # the whole photo at once needs as much memory again
            linear[top, :, :3] = linear[top, :, :3] @ space.to_srgb.numpy().T
    return linear if values.shape[2] > 1 else linear[..., 0]


def _primaries(picture: Picture) -> tuple[Chromaticity, ...] | None:
    """Return those of the photo's colour space; None for gray."""
    if picture.values_hwc.shape[2] < 3:
        return None
    matrix = read_profile(picture.profile or srgb_profile()).to_xyz
    return None if matrix is None else primaries_under_d65(matrix)


def _codestream(data: bytes) -> bytes:
    """Return the codestream, at least its beginning."""
    if data.startswith(jxl_header.SIGNATURE):
        return data
    for kind, content in bmff.boxes(data):
        if kind in (b"jxlc", b"jxlp"):  # whole, or in parts with a number of four bytes
            return content[4:] if kind == b"jxlp" else content
    raise ValueError("no picture")


def _metadata(data: bytes) -> dict[bytes, bytes]:
    """Return the contents of the boxes `Exif` and `xml `; compressed ones are expanded."""
    found: dict[bytes, bytes] = {}
    for kind, content in bmff.boxes(data) if data.startswith(CONTAINER) else ():
        if kind == b"brob" and content[:4] in (b"Exif", b"xml "):
            found[content[:4]] = bytes(imagecodecs.brotli_decode(content[4:], out=MOST_BYTES))
        elif kind in (b"Exif", b"xml "):
            found[kind] = content
    return found


def _exif(boxes: dict[bytes, bytes]) -> bytes:
    # The first four bytes are the offset of the block.
    content = boxes.get(b"Exif", b"")
    return content[4 + struct.unpack(">I", content[:4])[0] :] if len(content) > 4 else b""
