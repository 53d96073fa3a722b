"""Enhances one photo, file to file; metadata is preserved, or its loss is reported."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import Any, BinaryIO

import numpy as np

from pipeline.errors import PhotoError
from pipeline.models.model_folder import Model, load_model
from pipeline.photos.decoding import decode_original
from pipeline.photos.encoding import encode_enhanced, require_room
from pipeline.photos.formats import FORMATS, written_as
from pipeline.photos.original import Original
from pipeline.photos.writing import EncodedPhoto
from wespe.tiling import MIN_TILE_PX

MAX_VERIFIED_PX = 1_200  # the paper's network needs 2 GB for a photo of this side


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The user's settings; the defaults keep the photo's size and format.

    strength: 0–1, from the unchanged photo to the model's full effect.
    max_megapixels: larger photos are reduced to this size; 0: no limit.
    format: a suffix without the dot; '': the photo's own.
    quality: 1–100, for JPEG, WebP, AVIF and JPEG XL; 0: the photo's own, or 95 if unknown.
    crop: keep the part of the photo that the model decides.
    """

    strength: float = 1.0
    max_megapixels: float = 0.0
    format: str = ""
    quality: int = 0
    crop: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength must be from 0 to 1, not {self.strength}")
        if not 0 <= self.max_megapixels < float("inf"):
            raise ValueError(f"max_megapixels must be above 0, not {self.max_megapixels}")
        if self.format and f".{self.format}" not in FORMATS:
            known = ", ".join(suffix[1:] for suffix in FORMATS)
            raise ValueError(f"format must be one of {known}, not {self.format}")
        if not 0 <= self.quality <= 100:
            raise ValueError(f"quality must be from 1 to 100, not {self.quality}")

    def key(self) -> str:
        """Return a text that identifies these settings in the ledger."""
        return json.dumps(asdict(self), sort_keys=True)

    def renamed(self, photo: str) -> str:
        """Return the name of a photo's result."""
        path = PurePath(photo)
        suffix = f".{self.format}" if self.format else written_as(path.suffix)
        return photo if suffix == path.suffix else path.with_suffix(suffix).as_posix()


def enhance_photo(model: Model, file: BinaryIO, suffix: str, settings: Settings) -> EncodedPhoto:
    """Enhance a photo file, and encode it in the format of `suffix`; return it with warnings for the user.

    With strength 0 and no other change, the original file is returned. Raises PhotoError with a short reason.
    """
    if suffix.lower() not in FORMATS:
        raise PhotoError(f"{suffix} cannot be written; use {', '.join(FORMATS)}")
    # Keep no reference to the encoded photo, and later none to the decoded one: both may be large.
    original, kind = decode_original(file.read(), settings.max_megapixels), FORMATS[suffix.lower()]
    height, width, _ = original.photo_hwc.shape
    require_room(kind, height, width)
    if (
        settings.strength == 0
        and kind == original.kind
        and not (settings.quality or settings.crop or original.is_reduced)
    ):
        file.seek(0)
        return EncodedPhoto(data=file.read())
    enhanced = model.enhance(original.photo_hwc, strength=settings.strength, colours=original.colours)
    decided = model.explain(original.photo_hwc, original.colours)
    if settings.crop:
        original, enhanced = _cropped(original, enhanced, decided)
    name = model.config.get("name") or model.config.get("camera", "model")  # published models have a name
    note = f"wespe {name} {model.sha256[:12]}, strength {settings.strength:g}"
    note += f": {readable(decided)}" if decided else ""
    original = original.emptied()
    encoded = encode_enhanced(original, enhanced, kind, note, settings.quality or None)
    return EncodedPhoto(data=encoded.data, warnings=(*original.warnings, *encoded.warnings), decided=decided)


def _cropped(
    original: Original, enhanced_hwc: np.ndarray, decided: Mapping[str, Any]
) -> tuple[Original, np.ndarray]:
    """Return the part that the model decided to keep. Raises PhotoError if it decides none."""
    if (box := decided.get("crop")) is None:
        raise PhotoError("the model decides no crop; leave out --crop, or train one with `crop: true`")
    height, width, _ = enhanced_hwc.shape
    top, left = round(box["top"] * height), round(box["left"] * width)
    bottom, right = (
        top + max(1, round(box["height"] * height)),
        left + max(1, round(box["width"] * width)),
    )
    kept = slice(top, bottom), slice(left, right)
    alpha_hw = None if original.alpha_hw is None else original.alpha_hw[kept]
    cut = replace(original, photo_hwc=original.photo_hwc[kept], alpha_hw=alpha_hw, is_reduced=True)
    return cut, np.ascontiguousarray(enhanced_hwc[kept])


def readable(decided: Any) -> str:
    """Return what a model decided (see `Generator.explain`) in one line, numbers with three digits.

    {"edits": [{"edit": "gamma", "values": [0.8]}]} becomes "edits edit gamma, values 0.8".
    """
    if isinstance(decided, Mapping):
        return ", ".join(f"{key} {readable(value)}" for key, value in decided.items())
    if isinstance(decided, Sequence) and not isinstance(decided, str):
        separator = "; " if any(isinstance(one, Mapping) for one in decided) else " "
        return separator.join(map(readable, decided)) or "none"
    return f"{decided:.3g}" if isinstance(decided, float) else str(decided)


def verify_tiles(model_folder: Path, photo: Path) -> str:
    """Enhance a photo, or the centre of a large one, whole and in tiles, and describe the difference."""
    model = load_model(model_folder)
    try:
        original = decode_original(photo.read_bytes())
    except OSError as error:
        raise PhotoError(f"{photo}: {error.strerror}; name a photo") from None
    cut, colours = _middle(original.photo_hwc, MAX_VERIFIED_PX), original.colours
    height, width, _ = cut.shape
    tile_px = max(MIN_TILE_PX, max(height, width) // 3)
    tiled = model.enhance(cut, colours=colours, tile_px=tile_px)
    whole = model.enhance(cut, colours=colours, budget_bytes=height * width * model.tiling.bytes_per_pixel)
    apart = np.abs(tiled.astype(np.int32) - whole)
    return (
        f"{photo}: {width}×{height} px in tiles of {tile_px} px with a halo of {model.tiling.halo_px} px: "
        f"the result differs from the whole photo's by at most {apart.max()} of {np.iinfo(cut.dtype).max} "
        f"levels, in {(apart > 0).mean():.4%} of the values"
    )


def _middle(photo_hwc: np.ndarray, max_px: int) -> np.ndarray:
    height, width, _ = photo_hwc.shape
    top, left = max(0, height - max_px) // 2, max(0, width - max_px) // 2
    return photo_hwc[top : top + max_px, left : left + max_px]
