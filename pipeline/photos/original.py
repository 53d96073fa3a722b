"""A decoded photo: upright pixels, their colour space, and the file's metadata."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from PIL import Image

from pipeline.photos.colour_profile import Colours

STRIP_PIXELS = 2**20
Channels = Literal["L", "LA", "RGB", "RGBA", "CMYK"]


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """The metadata of a file, as bytes in their standard formats.

    exif: a block without its prefix. xmp: one packet, with extensions joined. photoshop: image resources,
    including IPTC. comments: of JPEG. dpi: horizontal and vertical. texts: PNG chunks, (kind, content).
    """

    exif: bytes = b""
    xmp: bytes = b""
    photoshop: bytes = b""
    comments: tuple[bytes, ...] = ()
    dpi: tuple[float, float] | None = None
    texts: tuple[tuple[bytes, bytes], ...] = ()


NOTHING = Metadata()


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The result of a format's reader: values as stored, and their description.

    values_hwc: uint8 or uint16 over the full range; black is 0; alpha is not premultiplied.
    orientation: 1–8, not applied yet; None: as in EXIF.
    profile: ICC, or an equivalent profile if the file describes its colours differently; b'' means sRGB.
    layout: options for the format's writer that preserve the quality.
    """

    values_hwc: np.ndarray
    channels: Channels
    orientation: int | None = None
    profile: bytes = b""
    metadata: Metadata = NOTHING
    layout: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Original:
    """A decoded, upright photo.

    photo_hwc: uint8 or uint16 (h, w, 3), in the colour space of `profile`; without a profile, in sRGB.
    gray: whether the photo is gray; the result must be gray as well.
    colours: the profile's conversion; None for sRGB.
    alpha_hw: same type as the photo, or None.
    warnings: short sentences for the user.
    """

    kind: str
    photo_hwc: np.ndarray
    gray: bool = False
    alpha_hw: np.ndarray | None = None
    profile: bytes = b""
    colours: Colours | None = None
    metadata: Metadata = NOTHING
    layout: dict[str, Any] = field(default_factory=dict)
    is_reduced: bool = False
    warnings: tuple[str, ...] = ()

    def emptied(self) -> "Original":
        """Return a copy without pixels, to free their memory."""
        return replace(self, photo_hwc=np.empty((0, 0, 3), np.uint8))

    def reduced(self, max_megapixels: float) -> "Original":
        """Return this photo, reduced to at most `max_megapixels`."""
        height, width, _ = self.photo_hwc.shape
        scale = (max_megapixels * 1e6 / (height * width)) ** 0.5
        if scale >= 1:
            return self
        size = max(1, int(width * scale)), max(1, int(height * scale))
        if self.alpha_hw is None:
            return replace(self, photo_hwc=_resized(self.photo_hwc, size), is_reduced=True)
        alpha, levels = self.alpha_hw[..., None], np.iinfo(self.photo_hwc.dtype).max
        # Weight colours by alpha, so that invisible pixels do not bleed into edges.
        visible = _resized_floats(self.photo_hwc * (alpha / np.float32(levels)), size)
        share = _resized_floats(alpha, size)
        photo = visible * (levels / np.maximum(share, 1e-6))
        reduced, alpha_hw = _rounded(photo, alpha.dtype), _rounded(share, alpha.dtype)[..., 0]
        return replace(self, photo_hwc=reduced, alpha_hw=alpha_hw, is_reduced=True)

    def srgb_hwc(self) -> np.ndarray:
        """Return the photo as used by training and scores: uint8 sRGB (h, w, 3).

        Alpha is composited over white in sRGB values; 16 bits are rounded to 8.
        """
        if self.photo_hwc.dtype == np.uint8 and self.colours is None and self.alpha_hw is None:
            return np.ascontiguousarray(self.photo_hwc)
        height, width, _ = self.photo_hwc.shape
        srgb, rows = np.empty((height, width, 3), np.uint8), max(1, STRIP_PIXELS // width)
        for top in range(0, height, rows):
            strip = slice(top, top + rows)
            srgb[strip] = (self._srgb_floats(strip) * 255).round()
        return srgb

    def _srgb_floats(self, strip: slice) -> np.ndarray:
        photo, levels = self.photo_hwc[strip], np.float32(np.iinfo(self.photo_hwc.dtype).max)
        floats = photo / levels if self.colours is None else self.colours.srgb_of_levels(photo)
        if self.alpha_hw is not None:
            share = self.alpha_hw[strip, :, None] / levels
            floats = floats * share + (1 - share)
        return floats


def _resized(values_hwc: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return _rounded(_resized_floats(values_hwc, size), values_hwc.dtype)


def _resized_floats(values_hwc: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    channels = [values_hwc[..., number].astype(np.float32) for number in range(values_hwc.shape[2])]
    return np.stack(
        [np.asarray(Image.fromarray(one).resize(size, Image.Resampling.LANCZOS)) for one in channels], -1
    )


def _rounded(floats: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return floats.round().clip(0, np.iinfo(dtype).max).astype(dtype)
