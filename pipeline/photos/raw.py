"""RAW of cameras, developed with the optional package rawpy (`pip install 'wespe[raw]'`).

The development is plain, and the same for every photo: the camera's white balance and exposure, in sRGB.
LibRaw's default stretches each photo by its own histogram: photos of one scene would differ in brightness,
and a model would have to undo it. So results are often darker and flatter than the camera's own JPEG, which
has a tone curve of its maker; learning such a correction is what models are for.
"""

import io
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import PhotoError
from pipeline.photos import bmff, raw_exif
from pipeline.photos.original import Channels, Samples
from pipeline.photos.pixels import of_array
from pipeline.photos.size_limit import require_memory

if TYPE_CHECKING:
    from rawpy import RawPy

TIFF, CANON = {b"II*\0": "<", b"MM\0*": ">"}, b"CR\2"
SUB_IFDS, PHOTOMETRIC = 330, 262
SENSOR = {32803, 34892}  # photometric values: a colour filter array, or linear values of a sensor
MOST_IFDS = 64
GAMMA = 2.4, 12.92  # of sRGB, as LibRaw takes it: exponent, and slope near black
DAYLIGHT = "its white balance is unknown: daylight was assumed"


def begins(data: bytes) -> bool:
    """Tell from its first bytes whether a file is RAW; most are TIFF files with values of a sensor."""
    if data[:4] in TIFF:
        return data[8:11] == CANON or not SENSOR.isdisjoint(_photometrics(data, TIFF[data[:4]]))
    return data.startswith(raw_exif.SIGNATURES) or b"crx " in bmff.brands(data)


def read(data: bytes, max_pixels: float) -> Samples:
    """Develop to 16 bits of sRGB, upright; at half the size if `max_pixels` allows it."""
    try:
        import rawpy
    except ImportError:
        raise PhotoError("RAW requires `pip install 'wespe[raw]'`; or develop it to TIFF") from None
    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            values, channels, warnings = _developed(raw, max_pixels)
    except rawpy.LibRawFileUnsupportedError:
        raise PhotoError("a RAW that LibRaw does not support; convert it to DNG or TIFF") from None
    except rawpy.LibRawError as error:
        [reason, *_] = error.args or (b"unknown",)
        reason = reason.decode() if isinstance(reason, bytes) else reason
        raise PhotoError(f"a truncated or damaged RAW ({reason}); copy it from the camera again") from None
    metadata, more = raw_exif.metadata(data)
    # LibRaw has applied the orientation.
    return Samples(
        values_hwc=values, channels=channels, orientation=1, metadata=metadata, warnings=warnings + more
    )


def read_exif(data: bytes) -> bytes:
    return raw_exif.exif(data)


def _developed(raw: "RawPy", max_pixels: float) -> tuple[np.ndarray, Channels, tuple[str, ...]]:
    """Return uint16 values, their channels, and warnings."""
    pixels = raw.sizes.iheight * raw.sizes.iwidth
    half = 0 < max_pixels <= pixels / 4
    require_memory(raw.sizes.iwidth >> half, raw.sizes.iheight >> half, 16)
    if raw.num_colors > 1 and not (raw.color_matrix.any() or raw.rgb_xyz_matrix.any()):
        raise PhotoError("a RAW of a camera whose colours LibRaw does not know; convert it to DNG or TIFF")
    values, channels = of_array(
        raw.postprocess(
            use_camera_wb=True,
            no_auto_bright=True,
            adjust_maximum_thr=0,  # white is the sensor's, not the brightest pixel
            gamma=GAMMA,
            output_bps=16,
            half_size=half,
        )
    )
    return values, channels, () if raw.camera_whitebalance[0] > 0 else (DAYLIGHT,)


def _photometrics(data: bytes, order: str) -> Iterator[int]:
    """Yield how the pictures of a TIFF file are to be understood, those in sub-directories included."""
    places = [struct.unpack_from(f"{order}I", data, 4)[0]] if len(data) >= 8 else []
    for place in places:
        try:
            [count] = struct.unpack_from(f"{order}H", data, place)
            for entry in range(place + 2, place + 2 + 12 * count, 12):
                tag, _, number = struct.unpack_from(f"{order}HHI", data, entry)
                if tag == PHOTOMETRIC:
                    yield struct.unpack_from(f"{order}H", data, entry + 8)[0]
                elif tag == SUB_IFDS and len(places) + number < MOST_IFDS:
                    at = entry + 8 if number == 1 else struct.unpack_from(f"{order}I", data, entry + 8)[0]
                    found = struct.unpack_from(f"{order}{number}I", data, at)
                    places.extend(one for one in set(found) if one not in places)
        except struct.error:  # damaged, or only the head of a file
            continue
