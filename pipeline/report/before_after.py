"""Writes a page with photos before and after, with a slider and a description of the changes."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.files import write_atomically
from pipeline.logs import Progress
from pipeline.photos.pairs import read_alike
from pipeline.report.differences import Difference, difference, mean_difference
from pipeline.report.rendering import number, render

# Browsers can handle pages of about 80 MB, and a megapixel takes 0.5 MB per side.
SHOWN_MEGAPIXELS, MOST_SHOWN = 60, 60
QUALITY = 90
THUMBNAIL_PX = 184
SIDES = {"untouched": "Before", "enhanced": "After"}  # the viewer's variants, and their labels here


def write_before_after(pairs: dict[str, tuple[Path, Path]], page: Path) -> Difference:
    """Write one page that opens offline; return the mean difference. Raises PipelineError.

    pairs: before and after, by the name to show. If photos are many or large, the page shows their centre at
        1:1, and only the first `MOST_SHOWN`; the table lists all.
    """
    progress = Progress("compare", len(pairs), "photos")
    most_px = SHOWN_MEGAPIXELS * 1_000_000 // min(len(pairs), MOST_SHOWN)
    differences: dict[str, tuple[tuple[int, int], Difference]] = {}
    shown: list[dict[str, Any]] = []
    for name, paths in pairs.items():
        images = read_alike(*paths)
        differences[name] = (images[0].size, difference(*map(np.asarray, images)))
        if len(shown) < MOST_SHOWN:
            shown.append(_shown(name, images, most_px))
        progress.update()
    mean = mean_difference([one for _, one in differences.values()])
    write_atomically(page, render("before_after.html", **_facts(differences, mean), **_viewer(shown)))
    return mean


def _facts(differences: dict[str, tuple[tuple[int, int], Difference]], mean: Difference) -> dict[str, Any]:
    rows = [
        {
            "name": name,
            "size": f"{width} × {height}",
            "psnr": number(one.psnr, 1),
            "words": one.words(),
        }
        for name, ((width, height), one) in differences.items()
    ]
    return {"rows": rows, "headline": ", ".join(mean.words()).capitalize()}


def _shown(name: str, images: tuple[Image.Image, Image.Image], most_px: int) -> dict[str, Any]:
    """Return a photo for the viewer: both sides, cropped to their centre if they are too large."""
    width, height = images[0].size
    share = min(1.0, (most_px / (width * height)) ** 0.5)
    cut = [image.crop(_middle(width, height, share)) for image in images]
    thumbnail = images[1].copy()
    thumbnail.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    return {
        "name": name,
        "width": cut[0].width,
        "height": cut[0].height,
        "facts": f"{width} × {height} px, {'its centre at 1:1' if share < 1 else 'at 1:1'}",
        "uris": {side: _uri(image) for side, image in zip(SIDES, cut, strict=True)},
        "thumbnail": _uri(thumbnail),
    }


def _viewer(shown: list[dict[str, Any]]) -> dict[str, Any]:
    thumbnails = [{"uri": one.pop("thumbnail"), "name": one["name"], "gain": None} for one in shown]
    uris = [one.pop("uris") for one in shown]
    return {
        "photos": [one | {"variants": list(SIDES), "psnr": {}} for one in shown],
        "embedded": [(place, side, uri) for place, sides in enumerate(uris) for side, uri in sides.items()],
        "left_sides": ["untouched"],
        "variant_names": SIDES,
        "strips": [{"title": "Photos", "ranked": False, "thumbnails": thumbnails}] if len(shown) > 1 else [],
    }


def _middle(width: int, height: int, share: float) -> tuple[int, int, int, int]:
    across, down = max(1, int(width * share)), max(1, int(height * share))
    left, top = (width - across) // 2, (height - down) // 2
    return left, top, left + across, top + down


def _uri(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
