"""Reads, chooses and embeds the test photos that a report shows."""

import json
import math
from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from pipeline.errors import PipelineError
from pipeline.evaluation.variants import VARIANT_NAMES
from pipeline.layout import INDEX

THUMBNAIL_PX = 200
QUALITY = 85
SHOWN = 10  # number of worst photos, and of best photos


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One test photo. scores: variant → metric → value."""

    id: str
    name: str
    width: int
    height: int
    files: dict[str, Path]
    scores: dict[str, dict[str, float]]

    @property
    def gain(self) -> float | None:
        """PSNR gain over the untouched photo in dB; None without a truth."""
        ends = [self.scores.get(variant, {}).get("psnr", math.nan) for variant in ("untouched", "enhanced")]
        return ends[1] - ends[0] if all(map(math.isfinite, ends)) else None


@dataclass(frozen=True, kw_only=True)
class Strip:
    """A row of photos; the title says why they are shown."""

    title: str
    pictures: list[Picture]


@dataclass(frozen=True, kw_only=True)
class EmbeddedPicture:
    """A picture as a data URI. shown: whether it is the whole photo or its centre, both at 1:1."""

    uri: str
    width: int
    height: int
    shown: str


def read_pictures(folder: Path) -> list[Picture]:
    """Read the index that evaluation wrote; an empty list if there is none. Raises PipelineError."""
    path = folder / INDEX
    if not path.exists():
        return []
    try:
        return [_picture(folder, entry) for entry in json.loads(path.read_bytes())]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PipelineError(f"{path} is damaged ({error!r}); restore it with `dvc repro`") from None


def _picture(folder: Path, entry: dict) -> Picture:
    files = {variant: folder / entry["folder"] / f"{variant}.jpg" for variant in entry["variants"]}
    if not {"untouched", "enhanced"} <= files.keys():
        raise ValueError(f"photo {entry['id']} has no untouched and enhanced variant")
    return Picture(
        id=str(entry["id"]),
        name=str(entry["name"]),
        width=int(entry["width"]),
        height=int(entry["height"]),
        files={variant: files[variant] for variant in VARIANT_NAMES if variant in files},
        scores=entry["scores"],
    )


def strips(pictures: list[Picture]) -> list[Strip]:
    """Choose the worst and the best by PSNR gain, or the first photos if none has a truth."""
    ranked = sorted((p for p in pictures if p.gain is not None), key=lambda p: p.gain or 0)
    if not ranked:
        return [Strip(title="The first test photos", pictures=pictures[: 2 * SHOWN])] if pictures else []
    if len(ranked) <= SHOWN:
        return [Strip(title="All test photos, from the smallest gain to the largest", pictures=ranked)]
    worst = min(SHOWN, len(ranked) // 2)
    best = ranked[worst:][-SHOWN:][::-1]
    return [
        Strip(title=f"The worst {_count(worst)}", pictures=ranked[:worst]),
        Strip(title=f"The best {_count(len(best))}", pictures=best),
    ]


def _count(number: int) -> str:
    words = ("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return words[number]


def embed(path: Path, photo_size: tuple[int, int]) -> EmbeddedPicture:
    """Embed a picture file unchanged as a data URI. Raises PipelineError.

    photo_size: width and height in px of the whole photo.
    """
    with _opened(path) as image:
        shown = "at 1:1" if image.size == photo_size else "its centre at 1:1"
        return EmbeddedPicture(
            uri=_uri(path.read_bytes()), width=image.width, height=image.height, shown=shown
        )


def thumbnail(path: Path, side_px: int = THUMBNAIL_PX) -> str:
    """Shrink a picture to a shorter side of at most `side_px`, as a data URI. Raises PipelineError."""
    with _opened(path) as image:
        scale = min(1, side_px / min(image.size))
        small = image.resize([max(1, round(side * scale)) for side in image.size], Image.Resampling.LANCZOS)
    return _uri(_jpeg(small))


def _opened(path: Path) -> Image.Image:
    try:
        image = Image.open(path, formats=["JPEG"])
        image.load()
        return image
    except OSError:
        raise PipelineError(f"{path} cannot be read; restore it with `dvc repro`") from None


def _jpeg(image: Image.Image) -> bytes:
    file = BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=QUALITY, subsampling=0, optimize=True)
    return file.getvalue()


def _uri(data: bytes) -> str:
    return f"data:image/jpeg;base64,{b64encode(data).decode()}"
