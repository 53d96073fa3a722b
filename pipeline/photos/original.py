"""A decoded photo: upright pixels, what their numbers mean, and all that its file carried."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from PIL import Image

from pipeline.photos.colour_profile import Colours

STRIP_PIXELS = 2**20
Channels = Literal["L", "LA", "RGB", "RGBA", "CMYK"]


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What a file carries beside pixels, as bytes of the standards.

    exif: a block without its prefix. xmp: one packet, extensions joined. photoshop: image resources, IPTC
    among them. comments: of a JPEG. dpi: across and down. texts: chunks of a PNG, (kind, content).
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
    """What a format's reader gives: values as stored, and what the file says of them.

    values_hwc: uint8 or uint16 over their whole range; black is 0; alpha, if any, is not multiplied in.
    orientation: 1–8, still to be applied; None: the one in EXIF.
    profile: ICC, made from other statements where the file has those instead; b'' means sRGB.
    layout: options that keep the format's quality, for its writer.
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
    """A photo, upright.

    photo_hwc: uint8 or uint16 (h, w, 3), in the colours of `profile`, or sRGB where there is none.
    gray: its channels are equal, and so shall be those of the result.
    colours: of the profile; None where they are sRGB.
    alpha_hw: of the photo's type, or None.
    warnings: what the user should know, each a short sentence.
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
        """All but the photo itself, whose memory another may need."""
        return replace(self, photo_hwc=np.empty((0, 0, 3), np.uint8))

    def reduced(self, max_megapixels: float) -> "Original":
        """This photo in at most so many megapixels."""
        height, width, _ = self.photo_hwc.shape
        scale = (max_megapixels * 1e6 / (height * width)) ** 0.5
        if scale >= 1:
            return self
        size = max(1, int(width * scale)), max(1, int(height * scale))
        if self.alpha_hw is None:
            return replace(self, photo_hwc=_resized(self.photo_hwc, size), is_reduced=True)
        alpha, levels = self.alpha_hw[..., None], np.iinfo(self.photo_hwc.dtype).max
        # Colours count by their alpha, or what is invisible would bleed into the edges.
        visible = _resized_floats(self.photo_hwc * (alpha / np.float32(levels)), size)
        share = _resized_floats(alpha, size)
        photo = visible * (levels / np.maximum(share, 1e-6))
        reduced, alpha_hw = _rounded(photo, alpha.dtype), _rounded(share, alpha.dtype)[..., 0]
        return replace(self, photo_hwc=reduced, alpha_hw=alpha_hw, is_reduced=True)

    def srgb_hwc(self) -> np.ndarray:
        """The photo as training and scores see it: uint8, sRGB, (h, w, 3).

        Alpha is laid over white, in sRGB's values; 16 bits are rounded to 8.
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
