"""One small picture in every variant of every format, and the sRGB values that its specification gives.

Files are packed here by hand from the specifications, or by encoders that are not ours.
"""

import io
import struct
import zlib
from dataclasses import dataclass

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from pipeline.photos.icc import SRGB_CURVE, gamma_curve, gray_profile, rgb_profile

HEIGHT, WIDTH = 24, 32
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A file, what it shows as sRGB uint8 (h, w, 3), and by how many levels its coding may be off.

    facts: `gray`, `alpha`, and `deep` for more than 8 bits.
    """

    data: bytes
    srgb_hwc: np.ndarray
    facts: frozenset[str]
    levels: float


def variant(data: bytes, srgb_hwc: np.ndarray, *facts: str, levels: float = 0) -> Variant:
    return Variant(data=data, srgb_hwc=srgb_hwc, facts=frozenset(facts), levels=levels)


def colour() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([x * 8, y * 10, (x + y) * 4], -1).astype(np.uint8)


def gray() -> np.ndarray:
    return colour()[..., 2]


def alpha() -> np.ndarray:
    return np.ascontiguousarray(255 - colour()[..., 1])


def three(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[..., None], 3, -1)


def over_white(srgb: np.ndarray, share: np.ndarray) -> np.ndarray:
    share = (share / 255)[..., None]
    return (srgb * share + 255 * (1 - share)).round().astype(np.uint8)


def light_of(values: np.ndarray) -> np.ndarray:
    values = values / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def srgb_of(light: np.ndarray) -> np.ndarray:
    values = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)
    return (values * 255).round().clip(0, 255).astype(np.uint8)


def deep(values: np.ndarray) -> np.ndarray:
    return values.astype(np.uint16) * 257


def pillow(image: np.ndarray | Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def tiff(tags: dict[int, tuple[int, ...]], strips: list[bytes], order: str = "<", big: bool = False) -> bytes:
    """A TIFF or BigTIFF of uncompressed strips; values of tags are shorts, but for sizes and offsets."""
    data = {"<": b"II", ">": b"MM"}[order] + struct.pack(
        order + ("HHHQ" if big else "HI"), *((43, 8, 0, 0) if big else (42, 0))
    )
    offsets = []
    for strip in strips:
        offsets.append(len(data))
        data += strip + bytes(len(strip) % 2)
    tags = tags | {273: tuple(offsets), 279: tuple(map(len, strips))}
    entries = b""
    for tag, values in sorted(tags.items()):
        kind, letter = (4, "I") if tag in (256, 257, 273, 279) else (3, "H")
        packed = struct.pack(f"{order}{len(values)}{letter}", *values)
        inline = 8 if big else 4
        if len(packed) > inline:
            place, data = len(data), data + packed + bytes(len(packed) % 2)
            packed = struct.pack(order + ("Q" if big else "I"), place)
        entries += struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, len(values)) + packed.ljust(
            inline, b"\0"
        )
    start = len(data)
    data += struct.pack(order + ("Q" if big else "H"), len(tags)) + entries + bytes(8 if big else 4)
    at = 8 if big else 4
    return data[:at] + struct.pack(order + ("Q" if big else "I"), start) + data[at + (8 if big else 4) :]


def sampled(values: np.ndarray, photometric: int, bits: int, extras: tuple[int, ...] = (), **more) -> bytes:
    """A TIFF of samples as they are."""
    channels = 1 if values.ndim == 2 else values.shape[2]
    tags = {256: (values.shape[1],), 257: (values.shape[0],), 258: (bits,) * channels, 259: (1,)}
    tags |= {262: (photometric,), 277: (channels,), 278: (values.shape[0],)}
    tags |= {338: extras} if extras else {}
    tags |= {int(tag): value for tag, value in more.pop("tags", {}).items()}
    order = more.get("order", "<")
    if tags.get(284) == (2,):
        strips = [values[..., n].astype(values.dtype.newbyteorder(order)).tobytes() for n in range(channels)]
    elif bits in (1, 4, 12):
        strips = [b"".join(packed_bits(row.ravel(), bits) for row in values)]
    else:
        strips = [values.astype(values.dtype.newbyteorder(order)).tobytes()]
    return tiff(tags, strips, **more)


def packed_bits(row: np.ndarray, bits: int) -> bytes:
    text = "".join(f"{int(value):0{bits}b}" for value in row)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(values: np.ndarray, bits: int, colour_type: int, *chunks: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, colour_type, 0, 0, 0)
    if bits < 8:
        rows = [packed_bits(row.ravel(), bits) for row in values]
    else:
        rows = [row.astype(">u2" if bits == 16 else np.uint8).tobytes() for row in values]
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    body = chunk(b"IHDR", head) + b"".join(chunks) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def icc_chunk(profile: bytes) -> bytes:
    return chunk(b"iCCP", b"any name\0\0" + zlib.compress(profile))


def named(profile: bytes, name: str) -> bytes:
    """A profile under another name of five letters."""
    return profile.replace("wespe".encode("utf-16-be"), name.encode("utf-16-be"))


def tables_profile(space: bytes = b"RGB ") -> bytes:
    """A profile of tables (lut8Type to XYZ-like Lab): L* rises with the mean of the channels, no colour."""
    channels = 3 if space == b"RGB " else 1
    corners = range(2**channels)
    lightness = [round(255 * bin(corner).count("1") / channels) for corner in corners]
    lut = struct.pack(
        ">4sI4B9i", b"mft1", 0, channels, 3, 2, 0, *(65536 * (n in (0, 4, 8)) for n in range(9))
    )
    lut += bytes(range(256)) * channels + bytes(v for level in lightness for v in (level, 128, 128))
    lut += bytes(range(256)) * 3
    text = b"desc" + bytes(4) + struct.pack(">I", 7) + b"tables\0" + bytes(78)
    tags = [
        (b"desc", text),
        (b"cprt", b"text\0\0\0\0none"),
        (b"wtpt", b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)),
    ]
    tags += [(b"A2B0", lut)]
    at, index, body = 132 + 12 * len(tags), b"", b""
    for name, content in tags:
        content += bytes(-len(content) % 4)
        index += struct.pack(">4sII", name, at + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s", at + len(body), bytes(4), 0x02100000, b"scnr", space, b"Lab ")
    head += (
        struct.pack(">6H", 2020, 1, 1, 0, 0, 0)
        + b"acsp"
        + bytes(28)
        + struct.pack(">3i", 63190, 65536, 54061)
    )
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + index + body


def lightness_shown(mean: np.ndarray) -> np.ndarray:
    """sRGB of L* in 255 steps."""
    lightness = mean / 255 * 100
    return srgb_of(np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / 903.3))


def p3_shown(values: np.ndarray) -> np.ndarray:
    """Display P3 as sRGB: published matrix of linear light (CSS Color 4)."""
    matrix = np.array([[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]])
    return srgb_of((light_of(values) @ matrix.T).clip(0, 1))


def tiffs() -> dict[str, Variant]:
    rgb, one, share = colour(), gray(), alpha()
    with_alpha = np.dstack([rgb, share])
    premultiplied = np.dstack([(rgb * (share / 255)[..., None]).round().astype(np.uint8), share])
    premultiplied16 = np.dstack(
        [(deep(rgb) * (share / 255)[..., None]).round().astype(np.uint16), deep(share)]
    )
    infrared = np.dstack([rgb, np.full_like(one, 7)])
    inks = np.dstack([255 - rgb, np.zeros_like(one)])
    twelve = (one.astype(np.uint32) * 4095 // 255).astype(np.uint16)
    black_and_white = (one > 100).astype(np.uint8)
    shown, laid = three(one), over_white(rgb, share)
    planar = {"tags": {284: (2,)}}
    return {
        "tiff gray 8": variant(sampled(one, 1, 8), shown, "gray"),
        "tiff gray 16": variant(sampled(deep(one), 1, 16), shown, "gray", "deep"),
        "tiff gray 12": variant(sampled(twelve, 1, 12), shown, "gray", "deep", levels=1),
        "tiff gray 4": variant(sampled(one // 16, 1, 4), three(one // 16 * 17), "gray"),
        "tiff 1 bit": variant(sampled(black_and_white, 1, 1), three(black_and_white * 255), "gray"),
        "tiff 1 bit white 0": variant(
            sampled(1 - black_and_white, 0, 1), three(black_and_white * 255), "gray"
        ),
        "tiff white is zero 8": variant(sampled(255 - one, 0, 8), shown, "gray"),
        "tiff white is zero 16": variant(sampled(65535 - deep(one), 0, 16), shown, "gray", "deep"),
        "tiff gray and alpha": variant(
            sampled(np.dstack([one, share]), 1, 8, (2,)), over_white(shown, share), "gray", "alpha", levels=1
        ),
        "tiff rgb 8": variant(sampled(rgb, 2, 8), rgb),
        "tiff rgb 16": variant(sampled(deep(rgb), 2, 16), rgb, "deep"),
        "tiff rgb 16 big-endian": variant(sampled(deep(rgb), 2, 16, order=">"), rgb, "deep"),
        "tiff rgb 32": variant(sampled(rgb.astype(np.uint32) * 16843009, 2, 32), rgb, "deep"),
        "bigtiff rgb 16": variant(sampled(deep(rgb), 2, 16, big=True), rgb, "deep"),
        "tiff planar 8": variant(sampled(rgb, 2, 8, **planar), rgb),
        "tiff planar 16": variant(sampled(deep(rgb), 2, 16, **planar), rgb, "deep"),
        "tiff alpha": variant(sampled(with_alpha, 2, 8, (2,)), laid, "alpha", levels=1),
        "tiff alpha 16": variant(sampled(deep(with_alpha), 2, 16, (2,)), laid, "alpha", "deep", levels=1),
        "tiff premultiplied": variant(sampled(premultiplied, 2, 8, (1,)), laid, "alpha", levels=1),
        "tiff premultiplied 16": variant(
            sampled(premultiplied16, 2, 16, (1,)), laid, "alpha", "deep", levels=1
        ),
        "tiff infrared": variant(sampled(infrared, 2, 8, (0,)), rgb),
        "tiff infrared 16": variant(sampled(deep(infrared), 2, 16, (0,)), rgb, "deep"),
        "tiff infrared, then alpha": variant(
            sampled(np.dstack([infrared, share]), 2, 8, (0, 2)), laid, "alpha", levels=1
        ),
        "tiff of inks": variant(sampled(inks, 5, 8), rgb, levels=1),
        "tiff palette": variant(
            pillow(Image.fromarray(rgb // 64 * 64).quantize(64), "TIFF"), rgb // 64 * 64, levels=1
        ),
        "tiff tables 16": variant(
            sampled_with_profile(deep(rgb), tables_profile()),
            three(lightness_shown(rgb.mean(-1))),
            "deep",
            levels=2,
        ),
    }


def sampled_with_profile(values: np.ndarray, profile: bytes) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, photometric="rgb", iccprofile=profile, metadata=None)
    return file.getvalue()


def pngs() -> dict[str, Variant]:
    rgb, one, share = colour(), gray(), alpha()
    linear, linear_gray = (light_of(rgb) * 65535).round(), (light_of(one) * 65535).round()
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    srgb_gamma = chunk(b"gAMA", struct.pack(">I", 45_455))
    clear = np.where(one == one[5, 5], 0, 255).astype(np.uint8)
    linear_profile = named(rgb_profile(gamma_curve(1.0)), "sRGB-")
    gray_linear = gray_profile(gamma_curve(1.0))
    return {
        "png gray 1": variant(png(one > 100, 1, 0), three((one > 100) * np.uint8(255)), "gray"),
        "png gray 4": variant(png(one // 16, 4, 0), three(one // 16 * 17), "gray"),
        "png gray 8": variant(png(one, 8, 0), three(one), "gray"),
        "png gray 16": variant(png(deep(one), 16, 0), three(one), "gray", "deep"),
        "png gray, one clear": variant(
            png(one, 8, 0, chunk(b"tRNS", struct.pack(">H", one[5, 5]))),
            over_white(three(one), clear),
            "gray",
            "alpha",
        ),
        "png gray 16, one clear": variant(
            png(deep(one), 16, 0, chunk(b"tRNS", struct.pack(">H", int(one[5, 5]) * 257))),
            over_white(three(one), clear),
            "gray",
            "alpha",
            "deep",
        ),
        "png gray and alpha": variant(
            png(np.dstack([one, share]), 8, 4), over_white(three(one), share), "gray", "alpha", levels=1
        ),
        "png gray linear, alpha": variant(
            png(np.dstack([linear_gray, deep(share)]), 16, 4, icc_chunk(gray_linear)),
            over_white(three(one), share),
            "gray",
            "alpha",
            "deep",
            levels=1,
        ),
        "png gray gamma": variant(png(linear_gray, 16, 0, gamma), three(one), "gray", "deep", levels=1),
        "png gray tables, alpha": variant(
            png(np.dstack([one, share]), 8, 4, icc_chunk(tables_profile(b"GRAY"))),
            over_white(three(lightness_shown(one)), share),
            "gray",
            "alpha",
            levels=2,
        ),
        "png rgb": variant(png(rgb, 8, 2), rgb),
        "png rgb 16": variant(png(deep(rgb), 16, 2), rgb, "deep"),
        "png rgb tables, alpha": variant(
            png(np.dstack([rgb, share]), 8, 6, icc_chunk(tables_profile())),
            over_white(three(lightness_shown(rgb.mean(-1))), share),
            "alpha",
            levels=2,
        ),
        "png named sRGB, linear": variant(
            png(linear, 16, 2, icc_chunk(linear_profile)), rgb, "deep", levels=1
        ),
        "png gamma 1": variant(png(linear, 16, 2, gamma), rgb, "deep", levels=1),
        "png gamma of sRGB": variant(png(rgb, 8, 2, srgb_gamma), rgb),
        "png sRGB beside gamma 1": variant(png(rgb, 8, 2, gamma, chunk(b"sRGB", b"\0")), rgb),
        "png cICP of P3": variant(
            png(rgb, 8, 2, chunk(b"cICP", bytes([12, 13, 0, 1]))), p3_shown(rgb), levels=1
        ),
        "png cICP before iCCP": variant(
            png(rgb, 8, 2, chunk(b"cICP", bytes([1, 13, 0, 1])), icc_chunk(linear_profile)), rgb
        ),
        "png damaged profile": variant(png(rgb, 8, 2, icc_chunk(b"rubbish" * 40)), rgb),
        "png rgb profile on gray": variant(
            png(linear_gray, 16, 0, icc_chunk(rgb_profile(gamma_curve(1.0)))),
            three(one),
            "gray",
            "deep",
            levels=1,
        ),
        "png palette": variant(
            pillow(Image.fromarray(rgb // 64 * 64).quantize(64), "PNG"), rgb // 64 * 64, levels=1
        ),
    }


def lossy() -> dict[str, Variant]:
    rgb, one, share = colour(), gray(), alpha()
    fine = {"quality": 100, "subsampling": 0}
    inks = Image.fromarray(np.dstack([255 - rgb, np.zeros_like(one)]), "CMYK")
    return {
        "jpeg gray": variant(pillow(one, "JPEG", quality=100), three(one), "gray", levels=2),
        "jpeg rgb": variant(pillow(rgb, "JPEG", **fine), rgb, levels=3),
        "jpeg p3": variant(
            pillow(rgb, "JPEG", icc_profile=rgb_profile(SRGB_CURVE, P3), **fine), p3_shown(rgb), levels=9
        ),
        "jpeg of inks": variant(pillow(inks, "JPEG", quality=100, subsampling=0), rgb, levels=5),
        "jpeg 12 bits": variant(
            imagecodecs.jpeg8_encode(
                rgb.astype(np.uint16) * 16, level=100, bitspersample=12, subsampling="444"
            ),
            rgb,
            "deep",
            levels=3,
        ),
        "jpeg lossless": variant(imagecodecs.jpeg8_encode(rgb, lossless=True), rgb),
        "webp": variant(pillow(rgb, "WEBP", lossless=True), rgb),
        "webp alpha": variant(
            pillow(np.dstack([rgb, share]), "WEBP", lossless=True, exact=True),
            over_white(rgb, share),
            "alpha",
            levels=1,
        ),
        "avif": variant(pillow(rgb, "AVIF", quality=100, subsampling="4:4:4"), rgb, levels=4),
        "avif 10 bits": variant(
            imagecodecs.avif_encode(
                rgb.astype(np.uint16) * 4,
                level=100,
                bitspersample=10,
                pixelformat="444",
                primaries=1,
                transfer=13,
            ),
            rgb,
            "deep",
            levels=4,
        ),
        "avif p3": variant(
            imagecodecs.avif_encode(rgb, level=100, pixelformat="444", primaries=12, transfer=13),
            p3_shown(rgb),
            levels=9,
        ),
    }


def jpegs_xl() -> dict[str, Variant]:
    """Of 16 bits, imagecodecs writes linear light, and says so in the header."""
    rgb, one, share = colour(), gray(), alpha()

    def linear(values: np.ndarray) -> np.ndarray:
        return (light_of(values) * 65535).round().astype(np.uint16)

    def lossless(values: np.ndarray, **options) -> bytes:
        return imagecodecs.jpegxl_encode(np.ascontiguousarray(values), lossless=True, **options)

    laid = over_white(rgb, share)
    return {
        "jxl": variant(lossless(rgb), rgb),
        "jxl in boxes": variant(lossless(rgb, usecontainer=True), rgb),
        "jxl gray": variant(lossless(one), three(one), "gray"),
        "jxl alpha": variant(lossless(np.dstack([rgb, share])), laid, "alpha", levels=1),
        "jxl linear 16": variant(lossless(linear(rgb)), rgb, "deep"),
        "jxl gray linear 16": variant(lossless(linear(one)), three(one), "gray", "deep"),
        "jxl gray alpha 16": variant(
            lossless(np.dstack([linear(one), deep(share)])),
            over_white(three(one), share),
            *("gray", "alpha", "deep"),
            levels=1,
        ),
        "jxl lossy": variant(imagecodecs.jpegxl_encode(rgb, distance=0.05), rgb, levels=9),
        "jxl lossy 16": variant(imagecodecs.jpegxl_encode(linear(rgb), distance=0.05), rgb, "deep", levels=9),
    }


VARIANTS = tiffs() | pngs() | lossy() | jpegs_xl()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that asks for a `variant` with all of them."""
    if "variant" in metafunc.fixturenames:
        metafunc.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
